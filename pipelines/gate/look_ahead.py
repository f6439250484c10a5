"""Proof that nothing of a judged decision reads what came later: the same bundle on histories whose future was cut off
or exchanged has to give the same features, the same forecasts and the same account, bar by bar."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from pipelines.core.money import MICRO
from pipelines.core.params import Params
from pipelines.features.compute import batch
from pipelines.gate.forecasts import filter_states, windows
from pipelines.inference.bundle import Bundle
from pipelines.inference.predictor import Predictor
from pipelines.replay.bundle_rules import of_bundle
from pipelines.replay.contract import another_future
from pipelines.replay.loop import replay, tape
from pipelines.replay.market_history import History, IntArray, Series

MARKETS = 8
"""Markets on which the proof is made, spread over the slice."""
CUTS = 4
"""Bars per market after which the future is taken away."""
TOLERANCE = 1e-6
"""Log-odds between two forecasts of one window; batches of other sizes may round differently."""


@dataclass(frozen=True)
class Proof:
    """How much was compared, and what differed, a sentence each."""

    compared: int
    differences: tuple[str, ...]


def prove(
    bundle: Bundle, series: Sequence[Series], histories: Sequence[History], params: Params, length_s: int
) -> Proof:
    """Compare features and forecasts with those of cut histories, and a replay with one that has another future."""
    chosen = _spread(histories)
    by_id = {one.market.market_id: one for one in series}
    predictor, compared, found = bundle.predictor(), 0, []
    for history in chosen:
        whole = by_id[history.market.market_id]
        rows = np.searchsorted(whole.ts_s, history.ts_s[_cuts(len(history))])
        rows = rows[rows >= predictor.lookback - 1]
        compared += 2 * len(rows)
        found += _features(whole, rows, length_s) + _forecasts(predictor, whole, rows)
    compared += len(chosen)
    found += _account(bundle, chosen, params, length_s)
    return Proof(compared, tuple(found))


def _spread(histories: Sequence[History]) -> list[History]:
    picked = np.unique(np.linspace(0, len(histories) - 1, MARKETS).astype(int))
    return [histories[k] for k in picked]


def _cuts(bars: int) -> IntArray:
    return np.unique(np.linspace(0, bars - 1, CUTS + 2).astype(np.int64)[1:-1])


def _features(whole: Series, rows: IntArray, length_s: int) -> list[str]:
    """Stored features of a bar against those computed from the bars up to it alone, to the bit."""
    starts = np.append(0, np.flatnonzero(np.diff(whole.ts_s) != length_s) + 1)
    found = []
    for row in rows.tolist():
        run = slice(int(starts[starts <= row][-1]), row + 1)
        columns = (whole.ts_s[run], whole.mid_units[run], whole.volume_micro[run])
        if not np.array_equal(batch(*columns, whole.market.end_s)[-1], whole.features[row]):
            found.append(_where("the features", whole, row))
    return found


def _forecasts(predictor: Predictor, whole: Series, rows: IntArray) -> list[str]:
    """Forecasts of the windows that end at `rows`, with the history and without what follows each."""
    found = []
    full = windows(predictor, whole, filter_states(predictor, whole), rows) if len(rows) else None
    for k, row in enumerate(rows.tolist()):
        past = _until(whole, row)
        alone = windows(predictor, past, filter_states(predictor, past), np.array([row]))
        assert full is not None
        if float(np.abs(full.mean[k] - alone.mean[0]).max()) > TOLERANCE:
            found.append(_where("the forecast", whole, row))
    return found


def _account(bundle: Bundle, chosen: Sequence[History], params: Params, length_s: int) -> list[str]:
    """The account up to a bar, when only what comes after it is exchanged."""
    strategy, cash = of_bundle(bundle, params, length_s), params.backtest.cash_pusd * MICRO
    scaler = strategy.scaler if strategy.policy.reads_observation else None

    def equity(seen: Sequence[History]) -> tuple[IntArray, IntArray]:
        result = replay(tape(seen, scaler, params.execution.model_depth_shares), strategy, cash)
        return np.asarray(result.ts_s), np.asarray(result.equity_micro)

    plain = [replace(one, payout_micro=None) for one in chosen]
    ts_s, whole = equity(plain)
    cut_s = int(ts_s[len(ts_s) // 2])
    _, other = equity([another_future(one, cut_s) for one in plain])
    differs = np.flatnonzero((whole != other) & (ts_s <= cut_s))
    return [f"the account at {ts_s[differs[0]]} changes with what comes after {cut_s}"] if len(differs) else []


def _until(series: Series, row: int) -> Series:
    columns: dict[str, Any] = {
        name: value[: row + 1]
        for name in series.__dataclass_fields__
        if isinstance(value := getattr(series, name), np.ndarray)
    }
    return replace(series, **columns)


def _where(what: str, series: Series, row: int) -> str:
    return f"{what} of {series.market.market_id} at {int(series.ts_s[row])} change with what comes later"
