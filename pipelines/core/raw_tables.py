"""The raw tables, their columns and units, and how they are written: one schema for data/raw and data/replay."""

import itertools
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pipelines.core.domain import Headline, Market

IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

DAY_S = 86_400
LAST_S = 2**37
"""Later than any bar."""
ROW_GROUP = 65_536
"""Rows of a row group of bars: the least that one who reads a few markets has to decode of a day."""

MARKETS = pa.schema(
    [
        ("market_id", pa.string()),
        ("event_id", pa.string()),
        ("question", pa.string()),
        ("token_yes", pa.string()),
        ("token_no", pa.string()),
        ("tick_units", pa.int32()),
        ("min_size_micro", pa.int64()),
        ("fee_rate", pa.float64()),
        ("fee_exponent", pa.float64()),
        ("start_s", pa.int64()),
        ("end_s", pa.int64()),
        ("topic", pa.string()),
        ("neg_risk", pa.bool_()),
        ("version", pa.string()),
        ("settlement", pa.string()),
        ("taker_delay_ms", pa.int32()),
        ("reward_day_micro", pa.int64()),
        ("reward_min_size_micro", pa.int64()),
        ("reward_max_spread_units", pa.int32()),
        ("reward_rebate_share", pa.float64()),
        ("lower", pa.float64()),
        ("upper", pa.float64()),
    ]
)
BARS = pa.schema(
    [
        ("market_id", pa.string()),
        ("ts_s", pa.int64()),
        ("mid_units", pa.int32()),
        ("volume_micro", pa.int64()),
        ("n_trades", pa.int32()),
        ("spread_units", pa.int32()),
        ("spread_observed", pa.bool_()),
        ("filled", pa.bool_()),
        ("bid_size_micro", pa.int64()),
        ("ask_size_micro", pa.int64()),
    ]
)
PAYOUTS = pa.schema([("market_id", pa.string()), ("payout_micro", pa.int64()), ("disputed", pa.bool_())])
"""What a YES share of a resolved market paid, and whether its resolution was disputed. Labels: they lie in a file of
their own, which settlement and the scores of outcomes alone read."""
SPREADS = pa.schema([("tick_units", pa.int32()), ("spread_units", pa.float64()), ("markets", pa.int32())])
"""Mean spread of the books that were open at the pull, by tick."""
LABEL = "resolved_price"
"""A recording's column of what the YES (or Up) token paid."""
PRICES = pa.schema(
    [
        ("symbol", pa.string()),
        ("source", pa.string()),
        ("ts_ms", pa.int64()),
        ("known_ms", pa.int64()),
        ("value", pa.float64()),
    ]
)
"""Reference prices: asset, whose price, when it was made, when it could be known."""
REFERENCE = "reference.parquet"
"""File of a folder that holds reference prices; those of a file `x.parquet` are in `x.reference.parquet`."""
REFERENCE_MARK = "oddsmith_reference_sha256"
"""Key in an imported file's metadata: hex SHA-256 of the file of its reference prices, empty where there are none."""
HEADLINES = pa.schema(
    [
        ("headline_id", pa.string()),
        ("market_ids", pa.list_(pa.string())),
        ("published_s", pa.int64()),
        ("known_s", pa.int64()),
        ("text", pa.string()),
        ("sentiment", pa.float64()),
    ]
)


@dataclass(frozen=True)
class Bars:
    """Bars of many markets, sorted by `code` (position in a list of markets) and time; columns of equal length."""

    code: IntArray
    ts_s: IntArray
    mid_units: IntArray
    volume_micro: IntArray
    n_trades: IntArray
    spread_units: IntArray
    """0 where no spread was observed."""
    filled: BoolArray
    """True where the last value was repeated over a gap."""
    bid_size_micro: IntArray
    """Displayed at the best bid in base units, like `ask_size_micro` at the best ask; 0 where no book was seen."""
    ask_size_micro: IntArray

    def __len__(self) -> int:
        return len(self.code)

    @classmethod
    def empty(cls) -> "Bars":
        """No bars."""
        none, filled = np.empty(0, np.int64), np.empty(0, bool)
        return cls(none, none, none, none, none, none, filled, none, none)

    @classmethod
    def concatenated(cls, parts: "Sequence[Bars]") -> "Bars":
        """The bars of all parts, one after the other."""
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in cls.__dataclass_fields__))

    def where(self, mask: BoolArray) -> "Bars":
        """The bars that a mask keeps."""
        return replace(self, **{name: getattr(self, name)[mask] for name in self.__dataclass_fields__})

    def counts(self, markets: int) -> IntArray:
        """Number of bars of each market, shape (markets,)."""
        return np.bincount(self.code, minlength=markets).astype(np.int64)


_MADE = ("fee_", "settlement", "reward_")


def reference_of(recording: Path) -> Path:
    """Where the reference prices of a recording are, a folder or a parquet file, if it has some."""
    if recording.is_dir():
        return recording / REFERENCE
    return recording.with_name(f"{recording.name.removesuffix('.parquet')}.{REFERENCE}")


def is_reference(path: Path) -> bool:
    """Whether a file holds reference prices, by its name."""
    return path.name == REFERENCE or path.name.endswith(f".{REFERENCE}")


def markets_table(markets: list[Market]) -> pa.Table:
    """The rows of markets.parquet, sorted by market id."""
    rows = [
        {
            **{name: getattr(m, name) for name in MARKETS.names if not name.startswith(_MADE)},
            "settlement": m.settlement.text() if m.settlement is not None else None,
            "fee_rate": m.fee.rate,
            "fee_exponent": m.fee.exponent,
            **{f"reward_{name}": value for name, value in asdict(m.rewards).items()},
        }
        for m in sorted(markets, key=lambda m: m.market_id)
    ]
    return pa.Table.from_pylist(rows, schema=MARKETS)


def bars_table(market_ids: list[str], bars: Bars) -> pa.Table:
    """The rows of bars, sorted by market id and time."""
    ids = pa.DictionaryArray.from_arrays(pa.array(bars.code.astype(np.int32)), pa.array(market_ids, pa.string()))
    table = pa.table(
        {
            "market_id": ids.cast(pa.string()),
            "ts_s": bars.ts_s,
            "mid_units": bars.mid_units.astype(np.int32),
            "volume_micro": bars.volume_micro,
            "n_trades": bars.n_trades.astype(np.int32),
            "spread_units": bars.spread_units.astype(np.int32),
            "spread_observed": bars.spread_units > 0,
            "filled": bars.filled,
            "bid_size_micro": bars.bid_size_micro,
            "ask_size_micro": bars.ask_size_micro,
        },
        schema=BARS,
    )
    return table.sort_by([("market_id", "ascending"), ("ts_s", "ascending")])


def headlines_table(headlines: list[Headline]) -> pa.Table:
    """The rows of headlines.parquet, by the time from which they were known."""
    rows = [
        {**{name: getattr(h, name) for name in HEADLINES.names}, "market_ids": list(h.market_ids)}
        for h in sorted(headlines, key=lambda h: (h.known_s, h.headline_id))
    ]
    return pa.Table.from_pylist(rows, schema=HEADLINES)


def payouts_table(payouts: Mapping[str, int], disputed: Collection[str] = ()) -> pa.Table:
    """The rows of payouts.parquet, sorted by market id; base units of a YES share by market id."""
    rows = [
        {"market_id": name, "payout_micro": payouts[name], "disputed": name in disputed} for name in sorted(payouts)
    ]
    return pa.Table.from_pylist(rows, schema=PAYOUTS)


def spreads_table(spreads: Mapping[int, tuple[float, int]]) -> pa.Table:
    """The rows of spreads.parquet: by tick the mean spread in 1e-4 and the number of markets."""
    rows = [{"tick_units": tick, "spread_units": mean, "markets": n} for tick, (mean, n) in sorted(spreads.items())]
    return pa.Table.from_pylist(rows, schema=SPREADS)


def day_folder(folder: Path, day: int) -> Path:
    """The folder of one day's bars; `day` counts days since 1970-01-01 (UTC, market time)."""
    return folder / f"day={datetime.fromtimestamp(day * DAY_S, UTC):%Y-%m-%d}"


def day_folders(folder: Path, after_s: int = 0, until_s: int = LAST_S) -> list[Path]:
    """The folders of the days that may hold bars of (after_s, until_s], in the order of time; of all without them."""
    first, last = day_folder(folder, after_s // DAY_S).name, day_folder(folder, until_s // DAY_S).name
    return sorted(day for day in folder.glob("day=*") if first <= day.name <= last)


def landing_files(folder: Path) -> list[Path]:
    """The files of a folder of the landing zone, named by the market time of their run: the newest comes last."""
    return sorted(folder.glob("*.parquet"), key=_run)


def _run(path: Path) -> tuple[int, int]:
    """Market time of the run that wrote a file, and its number among the files of that time."""
    as_of_s, _, number = path.stem.partition("_")
    return int(as_of_s), int(number or 1)


def write_raw(
    folder: Path, markets: pa.Table, market_ids: list[str], parts: Iterable[Bars], headlines: pa.Table
) -> None:
    """Fill `folder`: markets.parquet, headlines.parquet and bars/day=YYYY-MM-DD/part.parquet (UTC, market time).

    `parts` are the bars of one market each, in the order of the market ids; one of them, and less than a group of rows
    of each day, is in memory at a time. `ROW_GROUP` rows stand together in a file, so that one who reads some of its
    markets skips the others.
    """
    pq.write_table(markets, folder / "markets.parquet")
    pq.write_table(headlines, folder / "headlines.parquet")
    (folder / "bars").mkdir()
    days: dict[int, _Day] = {}
    for bars in parts:
        table = bars_table(market_ids, bars)
        edges = np.flatnonzero(np.diff(bars.ts_s // DAY_S, prepend=-1)).tolist()
        for first, last in itertools.pairwise([*edges, len(bars)]):
            day = int(bars.ts_s[first]) // DAY_S
            if day not in days:
                days[day] = _Day(day_folder(folder / "bars", day))
            # A copy: a slice would keep all days of the market until this day has a full group of rows.
            days[day].add(table.take(np.arange(first, last)))
    for one in days.values():
        one.close()


class _Day:
    """The file of a day, written in groups of ROW_GROUP rows; it is opened when the first group is full."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._path = folder / "part.parquet"
        self._waiting: list[pa.Table] = []
        self._writer: pq.ParquetWriter | None = None

    def add(self, rows: pa.Table) -> None:
        """Append rows."""
        self._waiting.append(rows)
        while sum(map(len, self._waiting)) >= ROW_GROUP:
            waiting = pa.concat_tables(self._waiting)
            self._write(waiting.slice(0, ROW_GROUP))
            # A copy: a slice would keep the whole table that it is of.
            self._waiting = [waiting.take(np.arange(ROW_GROUP, len(waiting)))]

    def close(self) -> None:
        """Write what is left and end the file."""
        if self._writer is None or any(map(len, self._waiting)):
            self._write(pa.concat_tables(self._waiting))
        if self._writer is not None:
            self._writer.close()

    def _write(self, rows: pa.Table) -> None:
        if self._writer is None:
            self._writer = pq.ParquetWriter(self._path, BARS)
        self._writer.write_table(rows.combine_chunks(), row_group_size=ROW_GROUP)


def write_replay(folder: Path, markets: pa.Table, bars: pa.Table, prices: pa.Table) -> None:
    """Fill `folder` with the held-out markets and the reference prices of their time, in the schema of data/raw but in
    one file of bars."""
    pq.write_table(markets, folder / "markets.parquet")
    pq.write_table(bars, folder / "bars.parquet")
    pq.write_table(prices, folder / REFERENCE)
