"""Rules of replayed markets: what is history, what is stepped, and what a gap or a missing column becomes."""

import asyncio
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.core.domain import Outcome, Side
from pipelines.core.errors import DataError, ParameterError
from pipelines.core.money import MICRO
from pipelines.core.raw_tables import PRICES, REFERENCE
from simulator.markets.recorded_source import open_source
from simulator.markets.source import SourceOptions
from simulator.venue.options import Options
from simulator.venue.venue import Venue

START_S = 1_767_225_600
CONDITION = "0x" + "ab" * 32


@pytest.fixture
def raw(tmp_path):
    """A folder in the raw schema: one market of ten minutes without minutes 4 and 5, a second that begins later."""
    first = [60 * k for k in range(10) if k not in (4, 5)]
    second = [60 * k for k in range(6, 10)]
    ids = [CONDITION] * len(first) + ["later"] * len(second)
    mids = [4000 + 50 * k for k in range(len(first))] + [9700] * len(second)
    volume = [0, 12_340_000] + [0] * (len(ids) - 2)
    bars = {
        "market_id": ids, "ts_s": [START_S + t for t in first + second], "mid_units": mids, "volume_micro": volume,
        "n_trades": [0, 3] + [0] * (len(ids) - 2), "spread_units": [300] + [0] * (len(ids) - 1),
    }  # fmt: skip
    static = [
        {
            "market_id": name, "event_id": "event", "question": f"Will {name}?", "token_yes": "11", "token_no": "12",
            "tick_units": 100, "min_size_micro": 5_000_000, "fee_rate": 0.07, "fee_exponent": 1.0,
            "end_s": START_S + 3_600, "topic": "Crypto", "neg_risk": False,
        }
        for name in (CONDITION, "later")
    ]  # fmt: skip
    pq.write_table(pa.table(bars), tmp_path / "bars.parquet")
    pq.write_table(pa.Table.from_pylist(static), tmp_path / "markets.parquet")
    return tmp_path


def _recording(path, **columns):
    rows = {
        "market_id": ["a"] * 5 + ["b"] * 5,
        "timestamp": [datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=k) for k in range(5)] * 2,
        "price": [0.5, 0.51, 0.52, 0.53, 0.54] + [0.3] * 5,
    }
    pq.write_table(pa.table(rows | columns), path)
    return path


def test_warm_bars_are_history_and_the_rest_is_stepped(raw):
    """The first `warm_bars` lie in the past; every later bar comes with one step, to the last one."""
    source = open_source(SourceOptions(replay=raw, warm_bars=3))
    warm = source.history(CONDITION)
    steps = [source.advance() for _ in range(7)]

    assert warm.ts_s.tolist() == [START_S, START_S + 60, START_S + 120]
    assert [step.ts_s for step in steps] == [START_S + 60 * k for k in range(3, 10)]
    assert source.history(CONDITION).mid_units.tolist() == [4000, 4050, 4100, 4150, 4150, 4150, 4200, 4250, 4300, 4350]


def test_reference_prices_are_read_by_asset_and_source(raw):
    """Each asset of each source is a path in the order in which its prices became known; an empty file has none."""
    pq.write_table(PRICES.empty_table(), raw / REFERENCE)
    assert open_source(SourceOptions(replay=raw)).prices == []

    rows = [("ETH", "binance", 1, 3, 7.0), ("BTC", "binance", 5, 6, 9.0), ("BTC", "binance", 1, 2, 8.0)]
    table = pa.Table.from_pylist([dict(zip(PRICES.names, row, strict=True)) for row in rows], schema=PRICES)
    pq.write_table(table, raw / REFERENCE)

    paths = open_source(SourceOptions(replay=raw)).prices
    assert [(one.symbol, one.known_ms.tolist(), one.value.tolist()) for one in paths] == [
        ("BTC", [2, 6], [8.0, 9.0]),
        ("ETH", [3], [7.0]),
    ]
    assert paths[0].known(2, 6) == slice(1, 2)

    (raw / REFERENCE).write_bytes(b"no parquet")
    with pytest.raises(DataError, match="is no table of reference prices"):
        open_source(SourceOptions(replay=raw))


def test_a_gap_keeps_the_quote(raw):
    """In a minute without a row the last quote stays, without volume."""
    source = open_source(SourceOptions(replay=raw, warm_bars=4))
    before, during = source.history(CONDITION), source.advance().rows[0]

    assert (during.bid_units, during.ask_units) == (before.bid_units[-1], before.ask_units[-1])
    assert during.trades == ()


def test_recorded_spread_is_used_and_else_the_smallest(raw):
    """A recorded spread is quoted as it was; without one the smallest that mid and tick allow."""
    history = open_source(SourceOptions(replay=raw, warm_bars=9)).history(CONDITION)

    assert (history.bid_units[0], history.ask_units[0]) == (3800, 4200)
    assert (history.ask_units - history.bid_units)[1:4].tolist() == [100, 200, 100]


def test_recorded_volume_becomes_its_trades(raw):
    """The recorded number of trades carries the recorded volume, to the base unit, at the touch."""
    source = open_source(SourceOptions(replay=raw, warm_bars=1))
    row = source.advance().rows[0]

    assert len(row.trades) == 3
    assert sum(trade[3] for trade in row.trades) == 12_340_000
    assert all(price == (row.ask_units if side is Side.BUY else row.bid_units) for _, side, price, _ in row.trades)


def test_markets_begin_end_and_resolve_only_when_decided(raw):
    """A market is listed at its first row, stops after its last, and pays out only if its price was decided."""
    source = open_source(SourceOptions(replay=raw, warm_bars=1))
    steps = [source.advance() for _ in range(11)]
    listed = [(step.ts_s, listing.question) for step in steps for listing in step.listed]
    resolved = [(step.ts_s, payout) for step in steps for _, payout in step.resolved]

    assert listed == [(START_S + 360, "Will later?")]
    assert resolved == [(START_S + 600, 1_000_000)]
    assert steps[-1].rows == []


def test_valid_ids_stay_and_others_become_hashes(raw):
    """A condition id of the venue is kept; any other name becomes 0x and 64 hex digits, the same every time."""
    names = [sorted(x.market_id for x in open_source(SourceOptions(replay=raw, warm_bars=9)).listings())] * 2

    assert names[0] == names[1]
    assert CONDITION in names[0]
    assert all(len(bytes.fromhex(name[2:])) == 32 for name in names[0])


def test_any_parquet_is_replayed(tmp_path):
    """Three columns are enough; the step is inferred from the distance of rows."""
    source = open_source(SourceOptions(replay=_recording(tmp_path / "r.parquet"), warm_bars=2))

    assert source.step_s == 60
    assert len(source.listings()) == 2
    assert len(source.advance().rows) == 2


def test_the_newest_event_is_taken(tmp_path):
    """With events and no name, the markets of the event with the last row are replayed; a name chooses another."""
    times = [datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=k) for k in range(10)]
    path = _recording(tmp_path / "r.parquet", event=["old"] * 5 + ["new"] * 5, timestamp=times)

    assert {x.event_id for x in open_source(SourceOptions(replay=path)).listings()} == {"new"}
    assert {x.event_id for x in open_source(SourceOptions(replay=path, replay_event="old")).listings()} == {"old"}


def test_recorded_touch_and_sizes_are_used(tmp_path):
    """Bid, ask and sizes of the recording are quoted when they are there."""
    path = _recording(
        tmp_path / "r.parquet", best_bid=[0.49] * 5 + [0.28] * 5, best_ask=[0.52] * 5 + [0.31] * 5,
        best_bid_size=[120.5] * 10, best_ask_size=[80.0] * 10,
    )  # fmt: skip
    row = open_source(SourceOptions(replay=path)).advance().rows[0]

    assert (row.bid_units, row.ask_units) == (4900, 5200)
    assert (row.bid_size_micro, row.ask_size_micro) == (120_500_000, 80_000_000)


def test_resuming_stands_where_it_stopped(raw):
    """A replay resumed at a market time has the history up to it."""
    source = open_source(SourceOptions(replay=raw, warm_bars=1, resume_s=START_S + 425))

    assert source.now_s == START_S + 420
    assert len(source.history(CONDITION).ts_s) == 8


@pytest.mark.parametrize("column", ["market_id", "timestamp", "price"])
def test_a_missing_column_is_named(tmp_path, column):
    """A recording without a required column is refused with the column's name."""
    path = _recording(tmp_path / "r.parquet")
    pq.write_table(pq.read_table(path).drop_columns([column]), path)

    with pytest.raises(DataError, match=column):
        open_source(SourceOptions(replay=path))


def test_unusable_recordings_are_refused(tmp_path, raw):
    """A missing, an unreadable or an empty recording, an unknown event and too many warm bars are clear errors."""
    (tmp_path / "text.parquet").write_text("no parquet")
    empty = _recording(tmp_path / "empty.parquet", price=[np.nan] * 10)

    for path, complaint in ((tmp_path / "none", "does not exist"), (tmp_path / "text.parquet", "not readable")):
        with pytest.raises(DataError, match=complaint):
            open_source(SourceOptions(replay=path))
    with pytest.raises(DataError, match="no usable row"):
        open_source(SourceOptions(replay=empty))
    with pytest.raises(DataError, match="'other'"):
        open_source(SourceOptions(replay=raw, replay_event="other"))
    with pytest.raises(ParameterError, match="500 warm bars"):
        open_source(SourceOptions(replay=raw, warm_bars=500))


def test_bars_in_history_are_evenly_spaced(raw):
    """History has one row for each step from the first to the last, gaps filled."""
    history = open_source(SourceOptions(replay=raw, warm_bars=9)).history(CONDITION)

    assert np.unique(np.diff(history.ts_s)).tolist() == [60]


def _events(path, rows, **columns):
    """A file of book events: (kind, price, side, size, milliseconds, hash) of one market, token 11 unless told."""
    kind, price, side, size, at, name = zip(*rows, strict=True)
    table = {"event_type": kind, "price": price, "side": side, "size": size, "timestamp": at, "hash": name}
    table |= {"asset_id": ["11"] * len(rows), "market_slug": ["game"] * len(rows)} | columns
    pq.write_table(pa.table(table), path)
    return path


BOOK = [
    ("book", 0.40, "bid", 10.0, 1_000, "a"), ("book", 0.38, "bid", 30.0, 1_000, "a"),
    ("book", 0.45, "ask", 20.0, 1_000, "a"), ("book", 0.50, "ask", 5.5, 1_000, "a"),
]  # fmt: skip


def _levels(path, steps, **options):
    """Levels of the book after some steps of one second."""
    source = open_source(SourceOptions(replay=path, bar_length_s=1, **options))
    (row,) = [source.advance() for _ in range(steps)][-1].rows
    return row, {(is_bid, price): shares / MICRO for is_bid, price, shares in row.levels}


def test_book_events_become_whole_books(tmp_path):
    """A book message replaces the book, a price change sets a level's new total, 0 removes it, a gap keeps the book."""
    changes = [
        ("price_change", 0.40, "BUY", 0.0, 1_500, "b"), ("price_change", 0.44, "SELL", 7.0, 1_900, "b"),
        ("book", 0.30, "bid", 1.0, 3_100, "c"), ("book", 0.35, "ask", 2.0, 3_100, "c"),
    ]  # fmt: skip
    path = _events(tmp_path / "e.parquet", BOOK + changes)
    row, levels = _levels(path, 1)
    assert levels == {(True, 3800): 30, (False, 4400): 7, (False, 4500): 20, (False, 5000): 5.5}
    assert (row.bid_units, row.ask_units) == (3800, 4400)
    assert _levels(path, 2)[1] == levels
    assert _levels(path, 3)[1] == {(True, 3000): 1, (False, 3500): 2}


def test_what_happens_within_a_second_is_known_at_its_end(tmp_path):
    """An event at 1.001 s is not in the book of second 1, and is in that of second 2."""
    path = _events(tmp_path / "e.parquet", [*BOOK, ("price_change", 0.41, "bid", 9.0, 1_001, "b"), *BOOK_LATER])
    source = open_source(SourceOptions(replay=path, bar_length_s=1))
    history = source.history(source.listings()[0].market_id)
    assert (source.now_s, history.bid_units.tolist()) == (1, [4000])
    assert source.advance().rows[0].bid_units == 4100


BOOK_LATER = [("price_change", 0.41, "bid", 8.0, 4_000, "z")]


def test_books_that_cross_are_not_shown(tmp_path):
    """Between two rows of a message a book may cross: the last whole one is kept until it does not."""
    rows = [*BOOK, ("price_change", 0.47, "bid", 9.0, 1_500, "b"), ("price_change", 0.45, "ask", 0.0, 2_500, "b")]
    path = _events(tmp_path / "e.parquet", rows)
    assert _levels(path, 1)[1][True, 4000] == 10
    assert max(price for is_bid, price in _levels(path, 2)[1] if is_bid) == 4700


def test_recorded_trades_and_tokens(tmp_path):
    """Trades become volume; the other token's events, which mirror the first one's, are left out."""
    rows = [
        *BOOK,
        ("last_trade_price", 0.45, "BUY", 3.0, 1_700, ""),
        *BOOK_LATER,
        ("book", 0.9, "bid", 1.0, 4_500, "m"),
    ]
    path = _events(tmp_path / "e.parquet", rows, asset_id=["11"] * (len(rows) - 1) + ["22"])
    source = open_source(SourceOptions(replay=path, bar_length_s=1))
    market_id = source.listings()[0].market_id
    steps = [source.advance() for _ in range(3)]
    assert [sum(trade[3] for trade in step.rows[0].trades) for step in steps] == [3 * MICRO, 0, 0]
    assert source.history(market_id).volume_micro.sum() == 3 * MICRO
    assert (True, 9000) not in {level[:2] for level in steps[-1].rows[0].levels}


def test_the_exchange_shows_the_recorded_book(tmp_path):
    """The venue's own book has every recorded level, and changes with it."""
    path = _events(tmp_path / "e.parquet", [*BOOK, ("price_change", 0.44, "ask", 7.0, 1_900, "b"), *BOOK_LATER])
    venue = Venue(Options(), open_source(SourceOptions(replay=path, bar_length_s=1)))
    venue.open_quotes()
    asyncio.run(venue.step())
    (market,) = venue.exchange.markets.values()
    bids, asks = market.book.levels(Outcome.YES)
    assert [(price, shares / MICRO) for price, shares in bids] == [(3800, 30), (4000, 10)]
    assert [(price, shares / MICRO) for price, shares in asks] == [(5000, 5.5), (4500, 20), (4400, 7)]


def test_unusable_events_are_refused(tmp_path):
    """A file without a market's events, without a column, or without a whole book is a clear error."""
    path = _events(tmp_path / "e.parquet", BOOK)
    with pytest.raises(DataError, match="no event of 'other'; give a name from its column market_slug"):
        open_source(SourceOptions(replay=path, replay_event="other"))
    one_sided = _events(tmp_path / "o.parquet", BOOK[:2])
    with pytest.raises(DataError, match="never make a book with two sides"):
        open_source(SourceOptions(replay=one_sided))
    bare = tmp_path / "b.parquet"
    pq.write_table(pq.read_table(path).drop_columns(["asset_id"]), bare)
    with pytest.raises(DataError, match="lacks the column"):
        open_source(SourceOptions(replay=bare))
