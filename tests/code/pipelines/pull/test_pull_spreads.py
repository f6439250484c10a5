"""Recorded touches become the spread of the bar in which they were seen, and of no other."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.core.domain import Quote
from pipelines.core.packed import PackedBars
from pipelines.core.raw_tables import Bars
from pipelines.pull import spreads

T0 = 1_767_225_600
MARKETS = ["0xa", "0xb"]


def bars() -> Bars:
    """Three minute bars of two markets, no spread seen."""
    code = np.repeat(np.arange(2), 3)
    nothing = np.zeros(6, np.int64)
    ts_s = np.tile(T0 + 60 * np.arange(3), 2)
    return Bars(code, ts_s, nothing + 5_000, nothing, nothing, nothing, np.zeros(6, bool), nothing, nothing)


def seen_in(folder: Path) -> Bars:
    """The bars with what a landing zone has seen, market by market."""
    touches = spreads.Touches(folder)
    parts = PackedBars.of(bars()).parts()
    return Bars.concatenated([touches.on(part, MARKETS[int(part.code[0])], 60) for part in parts])


def land(folder: Path, *rows: tuple[str, int, int, int]) -> None:
    """A file of the landing zone: market, milliseconds, bid, ask."""
    path = folder / "books" / "day=2026-01-01" / f"{len(list(folder.rglob('*.parquet')))}.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    names = ["market_id", "ts_ms", "bid_units", "ask_units"]
    columns = {n: [row[i] for row in rows] for i, n in enumerate(names)}
    sizes = {"bid_size_micro": [2_000_000] * len(rows), "ask_size_micro": [3_000_000] * len(rows)}
    pq.write_table(pa.table(columns | sizes), path)


def test_without_a_landing_zone_nothing_is_observed(tmp_path: Path) -> None:
    """No recording, no spread."""
    assert seen_in(tmp_path).spread_units.tolist() == [0] * 6


def test_a_touch_belongs_to_the_bar_that_covers_it(tmp_path: Path) -> None:
    """A touch at the close belongs to that bar, one a millisecond later to the next; the last of a bar counts."""
    at_close, after = T0 * 1_000 + 60_000, T0 * 1_000 + 60_001
    land(tmp_path, ("0xa", at_close, 4_900, 5_100), ("0xa", after, 4_900, 5_000), ("0xa", after + 5, 4_950, 5_000))
    land(tmp_path, ("0xb", T0 * 1_000, 4_000, 4_300), ("0xz", T0 * 1_000, 1, 2))

    seen = seen_in(tmp_path)
    assert seen.spread_units.tolist() == [0, 200, 50, 300, 0, 0]
    assert seen.bid_size_micro.tolist() == [0, 2_000_000, 2_000_000, 2_000_000, 0, 0]
    assert seen.ask_size_micro.tolist() == [0, 3_000_000, 3_000_000, 3_000_000, 0, 0]


def test_one_sided_and_crossed_touches_say_nothing(tmp_path: Path) -> None:
    """Without a bid, without an ask, or crossed: not a spread; outside of the bars: nowhere."""
    moment = T0 * 1_000
    land(tmp_path, ("0xa", moment, 0, 100), ("0xa", moment, 9_900, 10_000), ("0xa", moment, 5_000, 4_900))
    land(tmp_path, ("0xb", moment - 600_000, 4_000, 4_300), ("0xb", moment + 600_000, 4_000, 4_300))

    assert seen_in(tmp_path).spread_units.tolist() == [0] * 6


def test_open_books_give_the_spread_of_their_tick() -> None:
    """The mean over markets, a vote each, by tick; no word from few books, one-sided or wide ones, or near 0 or 1."""
    books = [(100, quote(4_900, 4_900 + spread)) for spread in (100, 200, 300) for _ in range(4)]
    books += [(100, quote(0, 5_000)), (100, quote(4_000, 6_000)), (100, quote(100, 200)), (100, quote(9_700, 9_800))]
    books += [(10, quote(5_000, 5_010))] * (spreads.FEWEST - 1)

    assert spreads.typical(books) == {100: (200.0, 12)}
    assert spreads.typical([]) == {}


def quote(bid: int, ask: int) -> Quote:
    """A touch with something to trade on both sides."""
    return Quote(bid, ask, 1_000_000, 1_000_000)
