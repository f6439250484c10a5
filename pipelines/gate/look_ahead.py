"""Proof that nothing of a judged decision reads what came later.

What the forecaster and the policies read (features, sentiment, tone, fair value, external probability, market context,
quotes, states of the filter) is made again from raw data that ends at a bar, and has to be equal to the bit to what was
judged; the forecasts of the same windows, and the account of a replay, have to be equal as well.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from pipelines.core.domain import FloatArray
from pipelines.core.money import MICRO
from pipelines.core.params import Params
from pipelines.gate.forecasts import filter_states, windows
from pipelines.gate.past import Past, RawData, of_times
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

COLUMNS = {
    "ts_s": "the number of bars",
    "mid_units": "the price",
    "spread_units": "the spread",
    "volume_micro": "the volume",
    "features": "a feature",
    "sentiment": "the sentiment",
    "tone": "the tone of the headlines",
    "headlines": "the number of headlines",
    "fair": "the fair value",
    "external": "the external probability",
    "context": "the market context",
    "sizes_micro": "a displayed size",
}
"""Columns of a series that forecasters and policies read, each with its name in a sentence."""


@dataclass(frozen=True)
class Proof:
    """How much was compared, and what differed, a sentence each."""

    compared: int
    differences: tuple[str, ...]


def prove(
    bundle: Bundle,
    series: Sequence[Series],
    histories: Sequence[History],
    params: Params,
    length_s: int,
    raw: RawData,
) -> Proof:
    """Compare what is read at some bars with what raw data up to each makes, and a replay with one that has another
    future."""
    chosen = _spread(histories)
    by_id = {one.market.market_id: one for one in series}
    predictor, compared, found, asked = bundle.predictor(), 0, [], []
    for history in chosen:
        whole = by_id[history.market.market_id]
        rows = np.searchsorted(whole.ts_s, history.ts_s[_cuts(len(history))])
        asked += [(whole, row) for row in rows[rows >= predictor.lookback - 1].tolist()]
    left = {one.market.market_id: filter_states(predictor, one) for one, _ in asked}
    for past in of_times(raw, asked, length_s):
        whole = by_id[past.series.market.market_id]
        compared += len(COLUMNS) + 2
        found += _rows(whole, past) or _forecast(predictor, whole, past, left[whole.market.market_id])
    compared += len(chosen)
    found += _account(bundle, chosen, params, length_s)
    return Proof(compared, tuple(found))


def _spread(histories: Sequence[History]) -> list[History]:
    picked = np.unique(np.linspace(0, len(histories) - 1, MARKETS).astype(int))
    return [histories[k] for k in picked]


def _cuts(bars: int) -> IntArray:
    return np.unique(np.linspace(0, bars - 1, CUTS + 2).astype(np.int64)[1:-1])


def _rows(whole: Series, past: Past) -> list[str]:
    """Columns that differ up to the bar, a sentence each."""
    upto = past.row + 1
    return [
        _where(words, whole, past.row)
        for name, words in COLUMNS.items()
        if not _same(_part(getattr(whole, name), upto), getattr(past.series, name))
    ]


def _part(values: Any, upto: int) -> Any:
    return None if values is None else values[:upto]


def _same(one: Any, other: Any) -> bool:
    """Equal to the bit; nothing known equals no value."""
    if one is None or other is None:
        return all(values is None or not np.isfinite(values).any() for values in (one, other))
    return bool(np.array_equal(one, other, equal_nan=True))


def _forecast(predictor: Predictor, whole: Series, past: Past, left: FloatArray) -> list[str]:
    """The states of the filter, and the forecast of the window that ends at the bar, with and without what follows."""
    alone = filter_states(predictor, past.series)
    if not np.array_equal(left[: past.row + 1], alone):
        return [_where("a state of the filter", whole, past.row)]
    row = np.array([past.row])
    difference = windows(predictor, whole, left, row).mean - windows(predictor, past.series, alone, row).mean
    return [_where("the forecast", whole, past.row)] if float(np.abs(difference).max()) > TOLERANCE else []


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


def _where(what: str, series: Series, row: int) -> str:
    return f"{what} of {series.market.market_id} up to {int(series.ts_s[row])} changes with what comes later"
