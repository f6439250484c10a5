"""What decides: a verified bundle with its forecaster, policy and limits, and one turn of it over all markets."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from pipelines.core.domain import Bar, Direction, FloatArray, Forecast, Market, Quote
from pipelines.core.errors import ArtifactError, OddsmithError
from pipelines.core.params import Params
from pipelines.core.sections import RiskParams
from pipelines.decide import Account, Decision, Inputs, Rules, decide, in_turn, reserve
from pipelines.decision_record import on_grid
from pipelines.features.spec import FEATURE_NAMES
from pipelines.inference.bundle import Bundle
from pipelines.inference.predictor import Predictor
from pipelines.trading import policies
from pipelines.trading.observation import MarketScaler
from pipelines.trading.sizing import SizingTable
from serving.champion import Champion
from serving.market.windows import View


@dataclass(frozen=True)
class LoadedModel:
    """A bundle that was opened, with the limits of params.yaml around it."""

    champion: Champion
    bundle: Bundle
    predictor: Predictor
    rules: Rules

    @property
    def length_s(self) -> int:
        """Seconds per bar."""
        return self.rules.bar_length_s

    @property
    def lookback(self) -> int:
        """Bars per window."""
        return self.predictor.lookback

    def with_limits(self, risk: RiskParams) -> "LoadedModel":
        """The same bundle under other limits."""
        return replace(self, rules=replace(self.rules, risk=risk))

    @property
    def policy_kind(self) -> str:
        """Name of the policy."""
        return self.rules.policy.kind


def open_model(champion: Champion, params: Params) -> LoadedModel:
    """Open and verify a bundle.

    Raises:
        ArtifactError: if the bundle is altered, or made for another version of the features, or the policy that is
            pinned cannot decide by itself, or a sealed file is not what its name says.
    """
    try:
        return _opened(champion, params)
    except OddsmithError:
        raise
    except Exception as error:  # a hash proves that nobody changed a file, not that it can be read
        raise ArtifactError(f"{champion.folder} cannot be used: {error!r:.200}; package it again") from error


def _opened(champion: Champion, params: Params) -> LoadedModel:
    bundle = Bundle.open(champion.folder)
    predictor = bundle.predictor()
    length_s, pinned = int(bundle.manifest["bar_length_s"]), champion.pinned
    of_bundle = policies.of_bundle(bundle.manifest["policy"], champion.folder) if not pinned else None
    rules = Rules(
        policy=of_bundle or policies.pinnable(pinned, params, length_s),
        table=SizingTable.read(champion.folder / "sizing.json"),
        scaler=MarketScaler(bundle.scaler()),
        risk=params.risk,
        sizing=params.sizing,
        execution=params.execution,
        rule=params.policy,
        bar_length_s=length_s,
        horizon_bars=predictor.horizon,
        pinned=bool(pinned),
    )
    return LoadedModel(champion, bundle, predictor, rules)


@dataclass(frozen=True, slots=True)
class WarmMarket:
    """One market at the close of a bar: its warm window and its quote, with the quote's age in market seconds."""

    market: Market
    window: View
    quote: Quote
    quote_age_s: int
    fair: tuple[float | None, float | None] = (None, None)
    """Probability of YES that the reference price implies, at the close and shortly before it; None where there is
    none."""
    external: float | None = None
    """Probability of YES that somebody outside states; None where there is none."""


@dataclass(frozen=True)
class Turn:
    """What one bar, or a reference price after it, led to, and what it cost in wall milliseconds."""

    ts_s: int
    inputs: tuple[Inputs, ...]
    decisions: tuple[Decision, ...]
    forecast_ms: float
    decide_ms: float
    after_ms: int = 0
    """Market milliseconds from the close to a turn between two bars; 0 at a close."""


@dataclass(frozen=True, slots=True)
class ColdMarket:
    """A market that is held and whose window is not warm: its stops are watched with the quote alone."""

    market: Market
    quote: Quote
    quote_age_s: int


def take_turn(
    model: LoadedModel,
    ts_s: int,
    seen: Sequence[WarmMarket],
    account: Account,
    busy: frozenset[str],
    references: Mapping[str, tuple[int, int]] | None = None,
    cold: Sequence[ColdMarket] = (),
) -> Turn:
    """Forecast all markets in one batch, then decide market by market in the order of their ids, or as
    `execution.turn` says.

    An order of this bar takes its cash and room at once, so that the next market sees them gone. Markets in `busy`
    (an order is still working there) are forecast but not decided. `references` has the fair price of a market and its
    age (`Accounting.references`).
    """
    ordered = sorted(seen, key=lambda one: one.market.market_id)
    started = time.perf_counter()
    made = [*_inputs(model.predictor, ordered), *(_cold(one, ts_s, model.predictor.horizon) for one in cold)]
    known = references or {}
    by_id = [_referred(one, known) for one in sorted(made, key=lambda one: one.market.market_id)]
    made_ms = (time.perf_counter() - started) * 1e3
    return replace(_decided(model, ts_s, by_id, account, busy), forecast_ms=made_ms)


def turn_between(
    model: LoadedModel, ts_s: int, newest: Sequence[Inputs], account: Account, busy: frozenset[str]
) -> Turn:
    """A turn between two closes over what is known of some markets by now, as `take_turn`. All of `newest` have one
    `after_ms`, and the forecasts of the close at `ts_s`."""
    by_id = sorted(newest, key=lambda one: one.market.market_id)
    return replace(_decided(model, ts_s, by_id, account, busy), after_ms=by_id[0].after_ms)


def _decided(model: LoadedModel, ts_s: int, by_id: Sequence[Inputs], account: Account, busy: frozenset[str]) -> Turn:
    started = time.perf_counter()
    inputs = tuple(in_turn(by_id, model.rules))
    open_buys = dict(account.open_buy_micro)
    account = replace(account, open_buy_micro=open_buys)
    decisions = []
    for one in inputs:
        if one.market.market_id in busy:
            decisions.append(_wait(one))
            continue
        decision = decide(one, account, model.rules)
        decisions.append(decision)
        for intent in decision.intents:
            reserve(intent, one.market, open_buys)
    return Turn(ts_s, inputs, tuple(decisions), 0.0, (time.perf_counter() - started) * 1e3)


def _inputs(predictor: Predictor, seen: Sequence[WarmMarket]) -> tuple[Inputs, ...]:
    if not seen:
        return ()
    features = np.stack([one.window.features for one in seen])
    mids = np.stack([one.window.mids for one in seen])
    sentiment = np.stack([one.window.sentiment for one in seen])
    states = np.stack([one.window.states for one in seen])
    exact = predictor.forecast_batch(features, mids, sentiment, states)
    forecasts = replace(exact, mean=on_grid(exact.mean), lower=on_grid(exact.lower), upper=on_grid(exact.upper))
    return tuple(
        _input(one, features[index, -1], forecasts.at(index), float(sentiment[index, -1]))
        for index, one in enumerate(seen)
    )


def _input(one: WarmMarket, features: FloatArray, forecast: Forecast, sentiment: float) -> Inputs:
    return Inputs(
        one.market, one.window.last, one.quote, features, forecast, sentiment, one.quote_age_s, None, *one.fair,
        external=one.external,
    )  # fmt: skip


def _cold(one: ColdMarket, ts_s: int, horizon: int) -> Inputs:
    quote, nothing = one.quote, np.zeros(horizon)
    bar = Bar(one.market.market_id, ts_s, quote.mid_units, 0, 0, quote.spread_units)
    forecast = Forecast(nothing, nothing, nothing, 0.5)
    features = np.zeros(len(FEATURE_NAMES))
    return Inputs(one.market, bar, quote, features, forecast, 0.0, one.quote_age_s, warm=False)


def _referred(inputs: Inputs, references: Mapping[str, tuple[int, int]]) -> Inputs:
    if inputs.market.market_id not in references:
        return inputs
    fair, age_s = references[inputs.market.market_id]
    return replace(inputs, reference_units=fair, reference_age_s=age_s)


def _wait(one: Inputs) -> Decision:
    flat, confidence = Direction.FLAT, one.forecast.confidence
    return Decision(one.bar.ts_s, one.market.market_id, "wait", flat, 0.0, None, None, confidence, ())


def nearest(turn: Turn | None) -> Mapping[str, tuple[Inputs, Decision]]:
    """Market id -> inputs and decision of the last turn."""
    if turn is None:
        return {}
    pairs = zip(turn.inputs, turn.decisions, strict=True)
    return {one.market.market_id: (one, made) for one, made in pairs}
