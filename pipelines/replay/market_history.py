"""Market histories with their forecasts: what the stages read from data/ and replay."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines.core.artifacts import read_json
from pipelines.core.domain import FeeSchedule, FloatArray, Market, Rewards
from pipelines.core.errors import DataError
from pipelines.core.money import PRICE_SCALE
from pipelines.core.products import FEATURES, FORECAST_TABLE, RAW
from pipelines.core.sections import ExecutionParams
from pipelines.core.settlement import Settlement
from pipelines.features.market_context import CONTEXT
from pipelines.features.spec import FEATURE_NAMES
from pipelines.features.touch import micro_gaps
from pipelines.replay import feature_table
from pipelines.replay.feature_table import column, edges, side_by_side, stage_table
from pipelines.trading import kernel

IntArray = NDArray[np.int64]

FORECASTS = FORECAST_TABLE
MICRO_GAP = CONTEXT.index("micro_gap")
SIZES = ("bid_size_micro", "ask_size_micro")
"""Columns of the sizes at the touch."""
FAIR = ("fair", "fair_before")
WHOLE = ("ts_s", "mid_units", "volume_micro", "spread_units")
"""Columns of whole numbers."""
GOLDEN = (5.0**0.5 - 1.0) / 2.0
"""Multiples of it, without their whole part, fill [0, 1) evenly."""


@dataclass(frozen=True)
class History:
    """Consecutive bars of one market that have a forecast; all columns have n rows, forecasts (n, H)."""

    market: Market
    ts_s: IntArray
    mid_units: IntArray
    bid_units: IntArray
    ask_units: IntArray
    volume_micro: IntArray
    spread_units: IntArray
    features: FloatArray
    sentiment: FloatArray
    mean: FloatArray
    lower: FloatArray
    upper: FloatArray
    confidence: FloatArray
    payout_micro: int | None = None
    """What a YES share paid when the market was resolved right after the last bar (1,000,000, 0, or 500,000 for 50-50);
    None where it was not, or where nobody recorded it. A label: settlement alone reads it."""
    fair: FloatArray | None = None
    """Probability of YES that the reference price implied at each bar and shortly before it, shape (n, 2)
    (`pipelines.reference.board.Board.pair`), NaN where there was none; None where no bar has one."""
    sizes_micro: IntArray | None = None
    """Recorded sizes at bid and ask in base units, shape (n, 2). The model's depth is shown where they are 0, and where
    they are None: no book was recorded."""
    disputed: bool = False
    """Whether somebody objected to the resolution. A label: the scores of outcomes alone read it."""
    recorded_micro_gap: FloatArray | None = None
    """Microprice less mid of the books that were recorded, shape (n,), 0 where none was seen (`market_context`); None
    where the sizes above say it."""
    external: FloatArray | None = None
    """Probability of YES that somebody outside stated (`pipelines.reference.external`), shape (n,), NaN where there was
    none; None where no bar has one."""

    def __len__(self) -> int:
        return len(self.ts_s)

    def where(self, mask: NDArray[np.bool_]) -> "History":
        """The bars that a mask (n,) keeps; without the last one the market has not ended."""
        if mask.all():
            return self
        columns: dict[str, Any] = {
            name: value[mask]
            for name, value in vars(self).items()
            if isinstance(value, np.ndarray) and len(value) == len(self)
        }
        return replace(self, payout_micro=self.payout_micro if mask[-1] else None, **columns)

    @property
    def marks_units(self) -> IntArray:
        """YES price at which a position is valued after each bar: the mid, and the payout after a resolved last bar."""
        if self.payout_micro is None:
            return self.mid_units
        return np.append(self.mid_units[:-1], kernel.payout_units(self.payout_micro))

    @property
    def micro_gap(self) -> FloatArray:
        """Microprice less mid at every bar, in [0, 1] prices, shape (n,); 0 where nobody recorded sizes."""
        if self.recorded_micro_gap is not None:
            return self.recorded_micro_gap
        if self.sizes_micro is None:
            return np.zeros(len(self))
        return micro_gaps(self.bid_units, self.ask_units, self.sizes_micro)


@dataclass(frozen=True)
class Series:
    """All bars of one market with their slice names, before forecasts are joined."""

    market: Market
    ts_s: IntArray
    mid_units: IntArray
    volume_micro: IntArray
    spread_units: IntArray
    sentiment: FloatArray
    features: FloatArray
    slices: NDArray[np.str_]
    payout_micro: int | None = None
    modelled_units: float | None = None
    """Mean spread of the venue's books of this tick at the pull, in 1e-4; None where too few were open."""
    tone: FloatArray | None = None
    headlines: IntArray | None = None
    """Tone and number of the headlines that became known in each bar; None where no headlines are known."""
    fair: FloatArray | None = None
    """As in `History`."""
    context: FloatArray | None = None
    """Market context of every bar, (bars, len(CONTEXT)); None is neutral."""
    disputed: bool = False
    """As in `History`."""
    sizes_micro: IntArray | None = None
    """As in `History`."""
    external: FloatArray | None = None
    """As in `History`."""


def bar_length_s(folder: Path = FEATURES) -> int:
    """Seconds per bar, as featurize measured it."""
    return int(read_json(folder / "slices.json")["length_s"])


def read_markets(path: Path = RAW / "markets.parquet") -> dict[str, Market]:
    """Market id -> description."""
    return {row["market_id"]: _market(row) for row in stage_table(path, "pull").to_pylist()}


def read_payouts(path: Path = RAW / "payouts.parquet") -> dict[str, int]:
    """Market id -> base units that a YES share paid, of the markets whose resolution the pull knows."""
    return {row["market_id"]: row["payout_micro"] for row in _rows(path)}


def read_disputed(path: Path = RAW / "payouts.parquet") -> frozenset[str]:
    """Ids of the resolved markets whose resolution was disputed."""
    return frozenset(row["market_id"] for row in _rows(path) if row.get("disputed"))


def read_spreads(path: Path = RAW / "spreads.parquet") -> dict[int, float]:
    """Tick -> mean spread of the books that were open at the pull, both in 1e-4."""
    return {row["tick_units"]: row["spread_units"] for row in _rows(path)}


def _rows(path: Path) -> list[dict[str, Any]]:
    """Rows of a file that not every pull writes; none where it did not."""
    return stage_table(path, "pull").to_pylist() if path.is_file() else []


def _market(row: Mapping[str, Any]) -> Market:
    names = ("market_id", "event_id", "question", "token_yes", "token_no", "tick_units", "min_size_micro")
    rest = ("start_s", "end_s", "topic", "neg_risk", "version")
    fee = FeeSchedule(row["fee_rate"] or 0.0, row["fee_exponent"] or 1.0)
    values = {name: row[name] for name in (*names, *rest)}
    rule, delay_ms = Settlement.parse(row.get("settlement")), row.get("taker_delay_ms") or 0
    pays = Rewards(*(row.get(f"reward_{one.name}") or 0 for one in fields(Rewards)))
    values |= {"fee": fee, "topic": row["topic"] or "", "settlement": rule}
    values |= {"lower": row.get("lower"), "upper": row.get("upper")}
    return Market(**values, taker_delay_ms=delay_ms, rewards=pays)


def read_series(markets: Mapping[str, Market], path: Path = FEATURES / "features.parquet") -> Iterator[Series]:
    """Every market's bars in time order."""
    payouts, spreads, disputed = read_payouts(), read_spreads(), read_disputed()
    for table in feature_table.by_market(path):
        market = markets[table["market_id"][0].as_py()]
        named = set(table.column_names)
        yield Series(
            market,
            **{name: column(table, name).astype(np.int64) for name in WHOLE},
            sentiment=column(table, "sentiment").astype(np.float64),
            features=side_by_side(table, FEATURE_NAMES),
            slices=column(table, "slice").astype(str),
            payout_micro=payouts.get(market.market_id),
            modelled_units=spreads.get(market.tick_units),
            tone=column(table, "tone"),
            headlines=column(table, "headlines").astype(np.int64),
            fair=_known(side_by_side(table, FAIR)) if named >= set(FAIR) else None,
            context=side_by_side(table, CONTEXT),
            disputed=market.market_id in disputed,
            sizes_micro=side_by_side(table, SIZES).astype(np.int64),
            external=_known(column(table, "external").astype(np.float64)) if "external" in named else None,
        )


def _known(values: FloatArray) -> FloatArray | None:
    return values if np.isfinite(values).any() else None


def read(slice_name: str, execution: ExecutionParams, forecasts: Path = FORECASTS) -> list[History]:
    """Histories of one slice, bars without a forecast left out, sorted by market.

    Raises:
        DataError: if the slice holds no bar with a forecast.
    """
    made = dict(_forecasts(forecasts, slice_name))
    histories = []
    for series in read_series(read_markets()):
        forecast = made.get(series.market.market_id)
        if forecast is not None:
            histories.append(_joined(series, series.slices == slice_name, *forecast, execution))
    histories = [history for history in histories if len(history) > 1]
    if not histories:
        raise DataError(
            f"slice {slice_name} holds no market with two forecast bars; pull a longer history or lower"
            " forecast.lookback_bars"
        )
    return histories


def join(series: Series, rows: IntArray, forecasts: Any, execution: ExecutionParams) -> History:
    """The bars `rows` of a series with the forecasts made for them (an object with mean, lower, upper, confidence)."""
    arrays = (forecasts.mean, forecasts.lower, forecasts.upper, forecasts.confidence)
    return _history(series, rows, arrays, execution)


def _forecasts(path: Path, slice_name: str) -> Iterator[tuple[str, tuple[IntArray, tuple[FloatArray, ...]]]]:
    table = stage_table(path, "forecast", filters=[("slice", "==", slice_name)])
    if table.num_rows == 0:
        return
    table = table.sort_by([("market_id", "ascending"), ("ts_s", "ascending")])
    ids = table["market_id"].to_numpy(zero_copy_only=False)
    ts = table["ts_s"].to_numpy().astype(np.int64)
    matrices = [_matrix(table[name]) for name in ("mean", "lower", "upper")]
    confidence = table["confidence"].to_numpy().astype(np.float64)
    for left, right in itertools.pairwise(edges(ids)):
        part = slice(left, right)
        yield ids[left], (ts[part], (*(matrix[part] for matrix in matrices), confidence[part]))


def _matrix(column: Any) -> FloatArray:
    chunk = column.combine_chunks()
    flat: FloatArray = chunk.flatten().to_numpy(zero_copy_only=False).astype(np.float64)
    return flat.reshape(len(chunk), -1)


def _joined(
    series: Series,
    wanted: NDArray[np.bool_],
    ts_s: IntArray,
    arrays: Sequence[FloatArray],
    execution: ExecutionParams,
) -> History:
    rows = np.flatnonzero(wanted & np.isin(series.ts_s, ts_s))
    found = np.searchsorted(ts_s, series.ts_s[rows])
    return _history(series, rows, [array[found] for array in arrays], execution)


def _history(series: Series, rows: IntArray, arrays: Sequence[FloatArray], execution: ExecutionParams) -> History:
    mid, spread = series.mid_units[rows], series.spread_units[rows]
    modelled = series.modelled_units or execution.model_spread * PRICE_SCALE
    bid, ask = touches(series.ts_s[rows], mid, spread, series.market.tick_units, modelled)
    mean, lower, upper, confidence = arrays
    return History(
        series.market,
        series.ts_s[rows],
        mid,
        bid,
        ask,
        series.volume_micro[rows],
        spread,
        series.features[rows],
        series.sentiment[rows],
        mean,
        lower,
        upper,
        confidence,
        series.payout_micro if _ends_with(series, rows) else None,
        None if series.fair is None else series.fair[rows],
        disputed=series.disputed,
        sizes_micro=None if series.sizes_micro is None else series.sizes_micro[rows],
        recorded_micro_gap=None if series.context is None else series.context[rows, MICRO_GAP],
        external=None if series.external is None else series.external[rows],
    )


def _ends_with(series: Series, rows: IntArray) -> bool:
    """Whether the last of `rows` is the last bar of its market, at most two bars before the scheduled end."""
    end_s = series.market.end_s
    if end_s is None or len(rows) < 2 or rows[-1] != len(series.ts_s) - 1:
        return False
    return bool(end_s - series.ts_s[-1] <= 2 * (series.ts_s[-1] - series.ts_s[-2]))


def references(history: History) -> tuple[IntArray, IntArray]:
    """`kernel.fair_units` after every bar, and seconds since the last trusted book or first bar, shape (n,) each."""
    bid, ask, mid = history.bid_units, history.ask_units, history.mid_units
    spread = ask - bid
    trusted = (bid > 0) & (spread > 0) & (ask < PRICE_SCALE) & (spread <= kernel.TRUSTED_SPREAD_UNITS)
    rows = np.arange(len(mid))
    last = np.maximum.accumulate(np.where(trusted, rows, -1))
    known = np.where(last < 0, rows, last)
    fair = np.where(trusted | (last < 0), mid, np.minimum(np.maximum(mid[known], bid), ask))
    return fair, history.ts_s - history.ts_s[np.maximum(last, 0)]


def touches(
    ts_s: IntArray, mid_units: IntArray, spread_units: IntArray, tick_units: int, modelled_units: float
) -> tuple[IntArray, IntArray]:
    """Bid and ask of each bar: the observed spread around the mid, or the model's where none was observed (0).

    On the grid spreads differ by two ticks, so bars take turns over time between the two around the model's, which is
    their mean. It is never wider than the mid is far from 0 or 1: near the ends real books still have both sides.
    """
    turns = tick_units * (2.0 * (ts_s * GOLDEN % 1.0) - 1.0)
    made = np.floor(np.minimum(modelled_units + turns, np.minimum(mid_units, PRICE_SCALE - mid_units)))
    spreads = np.where(spread_units > 0, spread_units, made).astype(np.int64).tolist()
    pairs = [kernel.touch(mid, s, tick_units) for mid, s in zip(mid_units.tolist(), spreads, strict=True)]
    both = np.array(pairs, dtype=np.int64).reshape(-1, 2)
    return both[:, 0], both[:, 1]
