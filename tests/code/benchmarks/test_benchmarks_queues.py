"""A recording of the venue's channel tells what vanished by trade and what by cancel, and what that fills."""

import gzip
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmarks.fill_cases import Queue, Resting
from benchmarks.queue_changes import ASKS, BIDS, Change, Kind, read
from benchmarks.queue_looks import QueueLook, looks, trade_share, vanished
from benchmarks.queues import Fills, lost_units, measure
from pipelines.core.errors import DataError
from pipelines.core.params import load

SECOND = 1_000
BOOK = [(0.48, "bid", 100.0), (0.47, "bid", 50.0), (0.50, "ask", 80.0)]


def rows(ms, kind, levels, slug="a"):
    """Rows of one message of a market's YES token."""
    about = {"market_slug": slug, "asset_id": f"{slug}-yes", "event_type": kind, "hash": str(ms), "timestamp": ms}
    return [{**about, "price": price, "side": side, "size": size} for price, side, size in levels]


def recording(path, *messages):
    """A parquet file of messages."""
    pq.write_table(pa.Table.from_pylist([row for message in messages for row in message]), path)
    return path


def test_a_book_tells_of_a_trade_and_a_price_change_of_a_cancel(tmp_path):
    """A fall from the touch on in a `book` was traded, behind a level that is still there cancelled, and any fall in a
    `price_change` cancelled."""
    swept = [(0.47, "bid", 20.0), (0.50, "ask", 70.0), (0.51, "ask", 30.0)]
    behind = [(0.47, "bid", 20.0), (0.50, "ask", 70.0), (0.51, "ask", 10.0)]
    path = recording(
        tmp_path / "r.parquet",
        rows(1, "book", BOOK),
        rows(2, "price_change", [(0.48, "BUY", 60.0), (0.51, "SELL", 30.0)]),
        rows(3, "book", swept),
        rows(4, "book", behind),
    )
    (market,) = read(path)

    assert market.changes == [
        Change(2, BIDS, 4_800, Kind.CANCELLED, 40.0),
        Change(2, ASKS, 5_100, Kind.PLACED, 30.0),
        Change(3, BIDS, 4_800, Kind.TRADED, 60.0),
        Change(3, BIDS, 4_700, Kind.TRADED, 30.0),
        Change(3, ASKS, 5_000, Kind.TRADED, 10.0),
        Change(4, ASKS, 5_100, Kind.CANCELLED, 20.0),
    ]
    assert market.touches[-1].quote.bid_units == 4_700
    assert (market.tick_units, [one.share for one in vanished(market)]) == (100, [0.4, 1.0, 0.125])


def test_reported_trades_are_believed_instead(tmp_path):
    """With `last_trade_price` rows a fall is split into what was reported at its level, on the resting side, and the
    rest."""
    path = recording(
        tmp_path / "r.parquet",
        rows(1, "book", BOOK),
        rows(2, "last_trade_price", [(0.48, "SELL", 25.0)]),
        rows(3, "book", [(0.48, "bid", 60.0), (0.47, "bid", 40.0), (0.50, "ask", 80.0)]),
    )
    (market,) = read(path)

    assert [(one.units, one.kind, one.shares) for one in market.changes] == [
        (4_800, Kind.TRADED, 25.0),
        (4_800, Kind.CANCELLED, 15.0),
        (4_700, Kind.CANCELLED, 10.0),
    ]


@pytest.mark.parametrize("late", [False, True])
def test_frames_of_the_recorder_say_the_same(tmp_path, late):
    """Raw messages as `oddsmith data record` keeps them, the report of a trade before the level's fall or after it."""
    about = {"market": "0x1", "asset_id": "yes", "timestamp": "2"}
    book = {"bids": [{"price": ".48", "size": "100"}], "asks": [{"price": ".50", "size": "80"}], "hash": "a"}
    changes = [{"asset_id": "yes", "price": "0.48", "size": "60", "side": "BUY", "hash": "b"}]
    changes += [{"asset_id": "no", "price": "0.52", "size": "60", "side": "SELL", "hash": "c"}]
    fell = {"event_type": "price_change", "market": "0x1", "timestamp": "3", "price_changes": changes}
    trade = {**about, "event_type": "last_trade_price", "price": "0.48", "size": "25", "side": "SELL"}
    frames = [[{**about, **book, "event_type": "book"}], *([fell, trade] if late else [trade, fell])]
    path = tmp_path / "day=2026-01-01" / "1.jsonl.gz"
    path.parent.mkdir()
    lines = "".join(json.dumps({"recv_ms": 1, "source": "clob", "frame": frame}) + "\n" for frame in frames)
    path.write_bytes(gzip.compress(lines.encode()))
    (market,) = read(tmp_path)

    assert [(one.side, one.units, one.kind, one.shares) for one in market.changes] == [
        (BIDS, 4_800, Kind.TRADED, 25.0),
        (BIDS, 4_800, Kind.CANCELLED, 15.0),
    ]


@pytest.mark.parametrize("gap", [{"gap": "no data for 30 s"}, {"recv_ms": 2_000, "process": "b", "segment": 1}])
def test_after_a_gap_nothing_vanishes_from_a_book(tmp_path, gap):
    """What changed while a connection was lost or the recorder was down is neither a trade nor a cancel."""
    about = {"market": "0x1", "asset_id": "yes", "hash": "a", "asks": [{"price": ".50", "size": "80"}]}
    before, after = (
        {**about, "event_type": "book", "timestamp": str(ms), "bids": [{"price": ".48", "size": size}]}
        for ms, size in ((2, "100"), (4, "30"))
    )
    change = {"asset_id": "yes", "price": "0.48", "size": "60", "side": "BUY", "hash": "b"}
    fell = {"event_type": "price_change", "market": "0x1", "timestamp": "3", "price_changes": [change]}
    rows = [{"frame": before, "process": "a", "segment": 1}, gap, {"frame": fell}, {"frame": after}]
    lines = "".join(json.dumps({"recv_ms": 1_000, "source": "market", **row}) + "\n" for row in rows)
    path = tmp_path / "1.jsonl"
    path.write_text(lines, encoding="utf-8")
    (market,) = read(path)

    assert market.changes == []
    assert [one.ms for one in market.touches] == [2, 4]


def test_books_alone_are_refused(tmp_path):
    """Whole books without a word of trades or cancels do not tell them apart: the text says what to record."""
    path = recording(tmp_path / "r.parquet", rows(1, "book", BOOK), rows(2, "book", BOOK))

    with pytest.raises(DataError, match=r"do not tell a trade from a cancel.*price_change and book"):
        read(path)


def game(slug, *, traded):
    """Ten minutes in which the 100 shares of the bid vanish every seven seconds, by a trade that goes on to the next
    level or by a cancel, and return."""
    made = [rows(0, "book", BOOK, slug)]
    for k in range(1, 86):
        ms = 7 * k * SECOND
        gone = ("price_change", [(0.48, "bid", 0.0)]) if k % traded else ("book", [(0.47, "bid", 40.0), *BOOK[2:]])
        made += [rows(ms, *gone, slug), rows(ms + 2 * SECOND, "price_change", BOOK[:2], slug)]
    return [row for message in made for row in message]


def test_the_share_of_trades_is_found_again(tmp_path):
    """Of a recording in which every fourth fall is a trade the fit says so on markets that it did not see, and a fill
    is expected where the level emptied."""
    path = recording(tmp_path / "r.parquet", *(game(f"g{k}", traded=4) for k in range(3)))
    found = measure(path)

    assert found["trade_share"] == pytest.approx(21 / 85, abs=0.01)
    assert found["vanished"]["trade"]["model"] == pytest.approx(found["vanished"]["trade"]["recorded"], rel=0.05)
    assert found["vanished"]["log_loss"]["low"] > 0.0
    assert found["weights"]["emptied"] > 1.0
    losses = found["fills"]["log_loss"]
    assert losses["gained"] == pytest.approx(losses["without"] - losses["with"], abs=1e-3)
    assert 0 <= found["adverse_units"] <= found["adverse_most_units"]


def test_a_probe_is_filled_by_what_goes_through_its_queue(tmp_path):
    """A trade that takes the level and the one behind it fills a probe there; one that stops before it does not."""
    through = [(0.50, "ask", 80.0), (0.46, "bid", 9.0)]
    quiet = [rows(ms, "price_change", [(0.40, "bid", 1.0 + ms)]) for ms in range(SECOND, 60 * SECOND, SECOND)]
    swept = recording(
        tmp_path / "s.parquet", rows(0, "book", BOOK), *quiet[:5], rows(5_500, "book", through), *quiet[5:]
    )
    part = [(0.48, "bid", 1.0), *BOOK[1:]]
    nipped = recording(tmp_path / "n.parquet", rows(0, "book", BOOK), *quiet[:5], rows(5_500, "book", part), *quiet[5:])

    ((one,), (other,)) = (read(path) for path in (swept, nipped))
    assert sum(look.filled for look in looks(one, 1, 0.2)) == 1
    assert sum(look.filled for look in looks(other, 1, 0.2)) == 0
    assert trade_share(vanished(other)) == 1.0


def test_too_few_markets_are_refused(tmp_path):
    """Thirds of the markets are measured by fits on the others: fewer than three are not enough."""
    with pytest.raises(DataError, match="has 1 markets"):
        measure(recording(tmp_path / "r.parquet", game("g", traded=4)))


def test_fills_that_lose_more_than_the_looks_let_expect_are_charged_it():
    """Of looks that are alike every tenth is a fill, worth 2 cents less than the others: the charge is nine tenths of
    it, and with the charge of one half the fills that the model expects are worth on the other half what was
    recorded."""
    waiting = Queue(0, 0, 0, emptied=False, seconds=1.0)
    seen = Resting(200, 200, 1.0, 0, 200, 100, 10**8, 10**8, 0, 60.0)
    half = [QueueLook(waiting, seen, k % 10 == 0, -150 if k % 10 == 0 else 50) for k in range(200)]
    weights = tuple(load().execution.fill_queue_weights)
    charge = lost_units(half, weights)
    made = Fills.of(half, weights, charge)

    assert charge == pytest.approx(180.0)
    assert made.worth / made.through == pytest.approx(30.0)
    assert made.charged / made.through == pytest.approx(made.worth_recorded / made.recorded)
    assert lost_units(half[1:10], weights) == 0.0
