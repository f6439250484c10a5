"""Orders against recorded books: books computed by hand, and the compiled replay against the plain one."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.core.domain import FeeSchedule
from pipelines.core.errors import DataError
from pipelines.engine.books import in_each_queue, read, replay
from pipelines.trading import books
from pipelines.trading.books import ASKS, BIDS, CLEAR, FEE, FILLED, LEFT, LEVEL, NOTIONAL, TRADE

MICRO = 1_000_000
FREE = FeeSchedule(0.0)


def event(time, kind, side=0, at=0, shares=0):
    """One row; shares as shares."""
    return [time, kind, side, at, shares * MICRO]


def played(events, orders, queue="neutral", fee=FREE):
    """Replay of lists on a tick of 0.01; order sizes in shares."""
    table = np.array(orders, dtype=np.int64).reshape(-1, 5)
    table[:, LEFT] *= MICRO
    return replay(np.array(events, dtype=np.int64), table, 100, fee, queue)


BOOK = [
    event(0, CLEAR), event(0, LEVEL, BIDS, 49, 200), event(0, LEVEL, BIDS, 48, 500),
    event(0, LEVEL, ASKS, 51, 100), event(0, LEVEL, ASKS, 52, 300), event(0, LEVEL, ASKS, 55, 900),
]  # fmt: skip


def test_a_walk_through_a_recorded_book_by_hand():
    """A buy of 250 to 0.52 takes 100 at 0.51 and 150 at 0.52, with the fee of each level; the rest stays for others."""
    made = played([*BOOK, event(5, LEVEL, BIDS, 40, 1)], [[3, 9, 1, 52, 250]], fee=FeeSchedule(0.05))
    order = made.orders[0]
    assert order[FILLED] == 250 * MICRO
    assert order[NOTIONAL] == round((100 * 0.51 + 150 * 0.52) * MICRO)
    fees = round(100 * 0.05 * 0.51 * 0.49, 5) + round(150 * 0.05 * 0.52 * 0.48, 5)
    assert order[FEE] == round(fees * MICRO)


def test_liquidity_is_consumed_once():
    """A second order finds what the first has left, until the level shows new shares."""
    later = [event(5, LEVEL, BIDS, 40, 1), event(6, LEVEL, ASKS, 51, 160), event(8, LEVEL, BIDS, 40, 2)]
    made = played([*BOOK, *later], [[3, 3, 1, 51, 100], [4, 4, 1, 51, 100], [7, 7, 1, 51, 100]])
    assert made.orders[:, FILLED].tolist() == [100 * MICRO, 0, 60 * MICRO]


def test_a_resting_bid_waits_behind_what_was_there():
    """100 shares join 200 at 0.49: after 250 were sold there, 50 of ours are filled by the pessimist, else all."""
    events = [*BOOK, event(5, TRADE, BIDS, 49, 250)]
    table = np.array([[3, 9, 1, 49, 100 * MICRO]])
    made = in_each_queue(np.array(events), table, 100, FREE)
    assert [made[queue].orders[0, FILLED] // MICRO for queue in ("pessimistic", "neutral", "optimistic")] == [
        50, 100, 100,
    ]  # fmt: skip


def test_cancellations_before_us_count_by_the_guess():
    """150 of 200 shares are cancelled, then 60 sold: the pessimist had 50 before him, the neutral a quarter of 100."""
    events = [*BOOK, event(5, LEVEL, BIDS, 49, 50), event(6, TRADE, BIDS, 49, 60)]
    made = in_each_queue(np.array(events), np.array([[3, 9, 1, 49, 100 * MICRO]]), 100, FREE)
    assert made["pessimistic"].orders[0, FILLED] == 10 * MICRO
    assert made["optimistic"].orders[0, FILLED] == 60 * MICRO
    assert made["neutral"].orders[0, FILLED] == 35 * MICRO


def test_a_price_that_goes_through_fills_everything_and_time_ends_the_wait():
    """A trade or an ask beyond a resting bid fills it at its own price; after its time nothing does."""
    passed = [*BOOK, event(5, TRADE, BIDS, 48, 1)]
    crossed = [*BOOK, event(5, LEVEL, ASKS, 49, 10)]
    for events in (passed, crossed):
        assert played(events, [[3, 9, 1, 49, 100]]).orders[0, NOTIONAL] == 49 * MICRO
        assert played(events, [[3, 4, 1, 49, 100]]).orders[0, FILLED] == 0


def test_the_quotes_follow_the_book():
    """When the best level empties, the next one is the touch; a cleared book has none."""
    made = played([*BOOK, event(5, LEVEL, ASKS, 51, 0), event(6, LEVEL, BIDS, 50, 7), event(7, CLEAR)], [])
    assert made.quotes[-3:].tolist() == [[4_900, 5_200], [5_000, 5_200], [0, 10_100]]


EVENT = st.tuples(st.sampled_from([LEVEL, LEVEL, TRADE]), st.integers(0, 1), st.integers(1, 19), st.integers(0, 400))
ORDER = st.tuples(st.integers(0, 40), st.integers(0, 20), st.integers(0, 1), st.integers(1, 19), st.integers(1, 600))


@settings(max_examples=60, deadline=None)
@given(st.lists(EVENT, min_size=1, max_size=60), st.lists(ORDER, max_size=6), st.sampled_from([0.0, 0.5, 1.0]))
def test_the_compiled_replay_equals_the_plain_one(rows, given_orders, share):
    """Machine code and plain Python end with the same orders and quotes over any events; nothing is filled twice."""
    events = np.array([event(number, *row) for number, row in enumerate(rows)], dtype=np.int64)
    orders = np.zeros((len(given_orders), books.ORDER_COLUMNS), dtype=np.int64)
    for number, (arrives, lasts, buys, limit, shares) in enumerate(sorted(given_orders)):
        orders[number, :5] = arrives, arrives + lasts, buys, limit, shares * MICRO
    results = []
    for play in (books.replay, books_compiled()):
        state = [np.zeros((2, 21), dtype=np.int64) for _ in range(3)]
        mine, best, quotes = orders.copy(), np.array([-1, 21]), np.zeros((len(events), 2), dtype=np.int64)
        play(events, mine, 500, 0.05, 1.0, share, *state, best, quotes)
        results.append((mine.tolist(), quotes.tolist()))
        assert (mine[:, FILLED] + mine[:, LEFT] == orders[:, LEFT]).all()
    assert results[0] == results[1]


def books_compiled():
    """The machine code."""
    from pipelines.trading import compiled

    return compiled.replay_book


def test_a_file_that_is_no_recording_of_books_is_named(tmp_path):
    """Missing columns are listed."""
    pq.write_table(pa.table({"price": [0.5]}), tmp_path / "prices.parquet")
    with pytest.raises(DataError, match="asset_id"):
        read(tmp_path / "prices.parquet")


def test_trades_of_a_recording_move_the_queue(tmp_path):
    """Rows of last trades are trades at the resting side's level: a resting order is filled by what was sold to it."""
    rows = [
        ("book", 0.49, "bid", 200.0, 1),
        ("book", 0.51, "ask", 100.0, 1),
        ("last_trade_price", 0.49, "SELL", 250.0, 5),
    ]
    columns = dict(zip(("event_type", "price", "side", "size", "timestamp"), zip(*rows, strict=True), strict=True))
    pq.write_table(pa.table({"asset_id": ["7"] * 3, **columns}), tmp_path / "books.parquet")
    events = read(tmp_path / "books.parquet", tick_units=100)["7"]
    assert events[-1].tolist() == [5, TRADE, BIDS, 49, 250 * MICRO]
    made = in_each_queue(events, np.array([[3, 9, 1, 49, 100 * MICRO]]), 100, FREE)
    assert made["pessimistic"].orders[0, FILLED] == 50 * MICRO


@pytest.mark.parametrize("level", [-1, 101])
def test_what_lies_off_the_book_is_refused(level):
    """A limit or an event outside 0 to 1 is named before anything is written beside the arrays."""
    with pytest.raises(DataError, match=f"order 0 is at level {level}"):
        played(BOOK, [[3, 9, 1, level, 100]])
    with pytest.raises(DataError, match=f"event 6 is at level {level}"):
        played([*BOOK, event(5, LEVEL, ASKS, level, 1)], [[3, 9, 1, 52, 100]])
