"""Synthetic worlds as market histories with forecasts, without files: what benchmarks and evaluations replay.

The spread of a bar is that of the generator's own book, which the local exchange shows too; sizes are modelled.
Forecasts are the Kalman limit of the public data (the generator's truth is read only here and in tests) or those of a
trained forecaster; time is cut into the agent's past and an unseen later part, events whole.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from pipelines.core.domain import FloatArray, Market
from pipelines.core.money import MICRO, PRICE_SCALE
from pipelines.core.sections import ExecutionParams
from pipelines.features import compute
from pipelines.features.scale import Scaler, local_volatility
from pipelines.features.spec import SCALED
from pipelines.features.state_space import STATES
from pipelines.features.state_space_batch import Books, Columns, Rungs, contexts, states
from pipelines.inference.predictor import Forecasts, Predictor
from pipelines.news import decay
from pipelines.replay.market_history import History, IntArray, touches
from pipelines.trading.observation import MarketScaler
from simulator.markets.events import Event, Family, build
from simulator.markets.limits import limit
from simulator.markets.price_model import Model
from simulator.markets.price_model import World as WorldName
from simulator.markets.source import Listing
from simulator.markets.truth import Mispricing, Truth, truth

HORIZON, LOOKBACK = 24, 60
NORMAL_90 = 1.6448536269514722
CONFIDENCE_SLOPE = 2.2
"""Logistic slope of P(the sign is right) in |move| / (volatility x sqrt(h)) of the Kalman forecasts, by eye."""


@dataclass(frozen=True)
class World:
    """Histories of an earlier and a later part of time, and the standardisation that the earlier part decides."""

    earlier: list[History]
    later: list[History]
    scaler: MarketScaler


Forecaster = Callable[[Truth, Mispricing, int, FloatArray, FloatArray, Columns, FloatArray], Forecasts]
"""From the truth, its limit, a market's row, its features, its sentiment, what a filter reads of it, its context."""


def world(
    seed: int,
    edge: float,
    events: int,
    execution: ExecutionParams,
    predictor: Predictor | None = None,
    believed_edge: float | None = None,
    kind: WorldName = "reversion",
) -> World:
    """Two thirds of the events for training, the rest, after a purge, for judging.

    `kind` says which errors the quotes make. With `believed_edge` the Kalman filter is that of the default's markets
    with another edge: sure, and wrong.
    """
    family = Family(seed, Model(edge=edge, world=kind))
    built = [build(family, number) for number in range(events)]
    known = truth(family, built)
    believed = known.model if believed_edge is None else replace(known.model, edge=believed_edge, world="reversion")
    best = limit(replace(known, model=believed))
    forecaster = _kalman if predictor is None else _learned(predictor)
    split = events * 2 // 3
    purge = family.event_length_min // family.event_every_min
    context = market_context(known, built)
    made = [_history(known, best, built, row, execution, forecaster, context[row]) for row in range(len(known.event))]
    earlier = [one for one, number in zip(made, known.event, strict=True) if number < split - purge]
    later = [one for one, number in zip(made, known.event, strict=True) if number >= split]
    raw = np.concatenate([np.column_stack((one.features, one.sentiment)) for one in earlier])
    return World(earlier, later, MarketScaler(Scaler.fit(raw, SCALED, 8.0)))


def stretch(family: Family, first: int, events: int, execution: ExecutionParams) -> list[History]:
    """Consecutive whole events of one world, from number `first` on, with the Kalman limit's forecasts."""
    built = [build(family, number) for number in range(first, first + events)]
    known = truth(family, built)
    known = replace(known, event=known.event - first)
    best, context = limit(known), market_context(known, built)
    rows = range(len(known.event))
    return [_history(known, best, built, row, execution, _kalman, context[row]) for row in rows]


def _history(
    known: Truth,
    best: Mispricing,
    events: list[Event],
    row: int,
    execution: ExecutionParams,
    forecaster: Forecaster,
    context: FloatArray,
) -> History:
    number = int(known.event[row])
    event, listing = events[number], _listing(events, number, row)
    mid = known.paths.mid_units[row].astype(np.int64)
    volume = known.paths.volume_micro[row].astype(np.int64)
    ts_s = event.start_s + 60 * np.arange(len(mid), dtype=np.int64)
    features = compute.batch(ts_s, mid, volume, listing.end_s)
    news = np.flatnonzero(known.news[row])
    sentiment = decay.batch(ts_s, ts_s[news], known.sentiment[row][news])
    read = _columns(ts_s, mid, volume, news, known.sentiment[row], listing.end_s)
    made = forecaster(known, best, row, features, sentiment, read, context)
    rows = np.arange(LOOKBACK - 1, len(mid))
    spread = (known.paths.ask_units[row] - known.paths.bid_units[row]).astype(np.int64)[rows]
    bid, ask = touches(ts_s[rows], mid[rows], spread, listing.tick_units, execution.model_spread * PRICE_SCALE)
    return History(
        market_of(listing), ts_s[rows], mid[rows], bid, ask, volume[rows], spread, features[rows], sentiment[rows],
        made.mean, made.lower, made.upper, made.confidence, MICRO if known.paths.resolved_yes[row] else 0,
    )  # fmt: skip


def market_context(known: Truth, events: list[Event]) -> FloatArray:
    """Market context of every bar, (markets, minutes, len(CONTEXT)); spread and sizes are those of the books."""
    made, minutes = known.paths, known.paths.mid_units.shape[1]
    start = np.array([event.start_s for event in events])[known.event]
    ts = (start[:, None] + 60 * np.arange(minutes, dtype=np.int64)).ravel()
    two_sided = (made.bid_units > 0) & (made.ask_units < PRICE_SCALE)
    spread = np.where(two_sided, made.ask_units - made.bid_units, 0)
    columns = made.mid_units, spread, made.bid_size_micro * two_sided, made.ask_size_micro * two_sided
    flat = (column.astype(np.int64).ravel() for column in columns)
    starts = np.arange(len(ts)) % minutes == 0
    numbers = known.event.tolist()
    listed = [market_of(_listing(events, number, row)) for row, number in enumerate(numbers)]
    rungs = Rungs.of(
        [one.bracket for one in listed], [one.neg_risk for one in listed], numbers, [minutes] * len(listed)
    )
    books = Books(np.repeat(known.event.astype(np.int64), minutes), starts, ts, *flat, rungs=rungs)
    return contexts(books).reshape(len(known.event), minutes, -1)


def _listing(events: list[Event], number: int, row: int) -> Listing:
    listings = events[number].listings
    return listings[row % len(listings)]


def market_of(listing: Listing) -> Market:
    """A listing of the simulator as the bot knows it."""
    names = ("market_id", "event_id", "question", "token_yes", "token_no", "tick_units", "min_size_micro", "fee")
    values = {name: getattr(listing, name) for name in (*names, "start_s", "end_s", "neg_risk")}
    return Market(**values, topic=listing.category)


def _columns(
    ts_s: IntArray, mid: IntArray, volume: IntArray, news: IntArray, scores: FloatArray, end_s: int
) -> Columns:
    tone, headlines = decay.impulses(ts_s, ts_s[news], scores[news], 60)
    starts = np.arange(len(mid)) == 0
    return Columns.of(ts_s, mid, volume, tone, headlines, np.full(len(mid), end_s), starts, 60)


def _kalman(
    known: Truth,
    best: Mispricing,
    row: int,
    features: FloatArray,
    sentiment: FloatArray,
    read: Columns,
    context: FloatArray,
) -> Forecasts:
    one = Mispricing(best.under[row], best.over[row], best.bounce[row])
    steps = np.arange(1, HORIZON + 1)
    mean = np.stack([one.forecast(known.model, int(step)) for step in steps], axis=1)[LOOKBACK - 1 :]
    windows = np.lib.stride_tricks.sliding_window_view(read.units, LOOKBACK)
    scale = local_volatility(windows)[:, None] * np.sqrt(steps)
    wide = NORMAL_90 * scale
    ratio = np.abs(mean - mean[:, :1]) / scale
    confidence = 1.0 / (1.0 + np.exp(-CONFIDENCE_SLOPE * ratio.max(axis=1)))
    return Forecasts(mean, mean - wide, mean + wide, confidence)


def _learned(predictor: Predictor) -> Forecaster:
    def forecast(
        known: Truth,
        best: Mispricing,
        row: int,
        features: FloatArray,
        sentiment: FloatArray,
        read: Columns,
        context: FloatArray,
    ) -> Forecasts:
        index = np.arange(LOOKBACK - 1, len(read.units))[:, None] + np.arange(-LOOKBACK + 1, 1)
        count = len(read.units)
        found = np.zeros((count, len(STATES))) if predictor.filter is None else states(predictor.filter, read)
        left = np.concatenate((found, context), axis=1)[index]
        return predictor.forecast_batch(features[index], read.units[index], sentiment[index], left)

    return forecast
