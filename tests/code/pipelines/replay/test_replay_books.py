"""Orders against recorded books: books computed by hand, and the compiled replay against the plain one."""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.core.domain import FeeSchedule
from pipelines.core.errors import DataError
from pipelines.replay.recorded_books import in_each_queue, read, replay
from pipelines.trading import book_replay
from pipelines.trading.book_replay import ASKS, BIDS, BUYS, FEE, FILLED, LEFT, LEVEL, LIMIT, NOTIONAL, TRADE
from pipelines.trading.kernel import QUEUE_AHEAD

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
    event(0, LEVEL, BIDS, 49, 200), event(0, LEVEL, BIDS, 48, 500),
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


def test_a_price_that_goes_through_gives_what_came_and_time_ends_the_wait():
    """A trade of 1 or an ask of 10 beyond a resting bid of 100 gives it 1 or 10 at its own price, for only that much
    came; after its time nothing does."""
    passed = [*BOOK, event(5, TRADE, BIDS, 48, 1)]
    crossed = [*BOOK, event(5, LEVEL, ASKS, 49, 10)]
    for events, shares in ((passed, 1), (crossed, 10)):
        order = played(events, [[3, 9, 1, 49, 100]], fee=FeeSchedule(0.05)).orders[0]
        assert (order[FILLED], order[NOTIONAL], order[FEE]) == (shares * MICRO, shares * 490_000, 0)
        assert played(events, [[3, 4, 1, 49, 100]]).orders[0, FILLED] == 0


def test_a_level_that_shrinks_gives_nothing_and_one_that_grows_gives_what_is_new():
    """A buy of 10,000 to 0.52 takes the 400 shown; 300 -> 299 brings nothing, 299 -> 340 the 41 new ones at 0.52, free,
    and an order after it finds none of them."""
    events = [*BOOK, event(5, LEVEL, ASKS, 52, 299), event(6, LEVEL, ASKS, 52, 340), event(8, LEVEL, BIDS, 40, 1)]
    shrunk = played(events[:-2], [[3, 9, 1, 52, 10_000]], fee=FeeSchedule(0.05)).orders[0]
    grown = played(events, [[3, 9, 1, 52, 10_000], [7, 7, 1, 52, 50]], fee=FeeSchedule(0.05)).orders
    assert shrunk[FILLED] == 400 * MICRO
    assert grown[:, FILLED].tolist() == [441 * MICRO, 0]
    assert grown[0, NOTIONAL] - shrunk[NOTIONAL] == 41 * 520_000
    assert grown[0, FEE] == shrunk[FEE]


def test_new_shares_below_a_limit_go_to_the_limit_price():
    """An ask of 0.47 that comes to a bid resting at 0.49 is bought at 0.49: the one who comes pays for crossing."""
    order = played([*BOOK, event(5, LEVEL, ASKS, 47, 30)], [[3, 9, 1, 49, 100]]).orders[0]
    assert (order[FILLED], order[NOTIONAL]) == (30 * MICRO, 30 * 490_000)


def test_a_trade_is_given_once_the_best_limit_first_then_in_order_of_arrival():
    """Of 120 sold down to 0.48, a bid at 0.50 gets its 50 though it came last, the first at 0.49 its 40 and the second
    the 30 that are left; the bid at 0.48 gets none."""
    sent = [[1, 9, 1, 48, 100], [2, 9, 1, 49, 40], [3, 9, 1, 49, 40], [4, 9, 1, 50, 50]]
    made = played([*BOOK, event(5, TRADE, BIDS, 48, 120)], sent, "optimistic")
    assert (made.orders[:, FILLED] // MICRO).tolist() == [0, 40, 30, 50]


def test_orders_at_one_level_share_a_trade_behind_the_same_queue():
    """Two bids of 100 wait behind 200: a trade of 250 gives the first 50, one of 350 both 100 and 50."""
    for size, shares in ((250, [50, 0]), (350, [100, 50])):
        sent = [[3, 9, 1, 49, 100], [4, 9, 1, 49, 100]]
        made = played([*BOOK, event(5, TRADE, BIDS, 49, size)], sent, "pessimistic")
        assert (made.orders[:, FILLED] // MICRO).tolist() == shares


def test_new_shares_are_given_once_the_best_limit_first():
    """Of 60 shares that are offered at 0.48, below both bids, the bid at 0.50 gets 50 and the one at 0.49 10."""
    made = played([*BOOK, event(5, LEVEL, ASKS, 48, 60)], [[2, 9, 1, 49, 40], [3, 9, 1, 50, 50]])
    assert (made.orders[:, FILLED] // MICRO).tolist() == [10, 50]


def test_sales_are_served_from_the_lowest_limit():
    """Of 60 bought up to 0.53, the sale at 0.51 gets its 50 before the earlier one at 0.52 gets 10."""
    made = played([*BOOK, event(5, TRADE, ASKS, 53, 60)], [[2, 9, 0, 52, 40], [3, 9, 0, 51, 50]])
    assert (made.orders[:, FILLED] // MICRO).tolist() == [10, 50]


def test_an_order_after_the_last_event_meets_the_last_book():
    """A buy that arrives when nothing more happens takes what is shown and was not taken; nothing is there twice."""
    made = played(BOOK, [[3, 3, 1, 51, 60], [4, 4, 1, 51, 60]])
    assert (made.orders[:, FILLED] // MICRO).tolist() == [60, 40]


def test_the_quotes_follow_the_book():
    """When the best level empties, the next one is the touch; a side without shares has none."""
    emptied = [event(7, LEVEL, BIDS, at, 0) for at in (50, 49, 48)]
    made = played([*BOOK, event(5, LEVEL, ASKS, 51, 0), event(6, LEVEL, BIDS, 50, 7), *emptied], [])
    assert made.quotes[-5:, 0].tolist() == [4_900, 5_000, 4_900, 4_800, 0]
    assert made.quotes[-5:, 1].tolist() == [5_200] * 5
    asks = [event(8, LEVEL, ASKS, at, 0) for at in (51, 52, 55)]
    assert played([*BOOK, *asks], []).quotes[-1].tolist() == [4_900, 10_100]


EVENT = st.tuples(st.sampled_from([LEVEL, LEVEL, TRADE]), st.integers(0, 1), st.integers(1, 19), st.integers(0, 400))
ORDER = st.tuples(st.integers(0, 40), st.integers(0, 20), st.integers(0, 1), st.integers(1, 19), st.integers(1, 600))


@settings(max_examples=60, deadline=None)
@given(st.lists(EVENT, min_size=1, max_size=60), st.lists(ORDER, max_size=6), st.sampled_from([0.0, 0.5, 1.0]))
def test_the_compiled_replay_equals_the_plain_one(rows, given_orders, share):
    """Machine code and plain Python end with the same orders and quotes over any events; nothing is filled twice."""
    events = np.array([event(number, *row) for number, row in enumerate(rows)], dtype=np.int64)
    orders = np.zeros((len(given_orders), book_replay.ORDER_COLUMNS), dtype=np.int64)
    for number, (arrives, lasts, buys, limit, shares) in enumerate(sorted(given_orders)):
        orders[number, :5] = arrives, arrives + lasts, buys, limit, shares * MICRO
    results = []
    for play in (book_replay.replay, books_compiled()):
        state = [np.zeros((2, 21), dtype=np.int64) for _ in range(3)]
        mine, best, quotes = orders.copy(), np.array([-1, 21]), np.zeros((len(events), 2), dtype=np.int64)
        waiting = np.zeros(len(mine), dtype=np.int64)
        play(events, mine, 500, 0.05, 1.0, share, *state, best, waiting, quotes)
        results.append((mine.tolist(), quotes.tolist()))
        assert (mine[:, FILLED] + mine[:, LEFT] == orders[:, LEFT]).all()
    assert results[0] == results[1]


def books_compiled():
    """The machine code."""
    from pipelines.trading import compiled

    return compiled.replay_book


@settings(max_examples=150, deadline=None)
@given(st.lists(EVENT, min_size=1, max_size=60), st.lists(ORDER, max_size=8), st.sampled_from(list(QUEUE_AHEAD)))
def test_no_more_is_filled_than_was_added_and_traded(rows, given_orders, queue):
    """All buys to a limit together get at most what was newly asked for up to it and what was sold to bids up to it,
    for every limit; sales likewise."""
    events = np.array([event(number, *row) for number, row in enumerate(rows)], dtype=np.int64)
    sent = np.array([(a, a + lasts, *rest) for a, lasts, *rest in sorted(given_orders)]).reshape(-1, 5)
    sent[:, LEFT] *= MICRO
    made = replay(events, sent, 500, FREE, queue).orders
    offered = np.zeros((2, 21), dtype=np.int64)
    shown = offered.copy()
    for _, kind, side, at, size in events.tolist():
        if kind == TRADE:
            offered[side, at] += size
        else:
            offered[1 - side, at] += max(size - shown[side, at], 0)
            shown[side, at] = size
    for level in range(21):
        bought = made[(made[:, BUYS] == 1) & (made[:, LIMIT] <= level), FILLED].sum()
        sold = made[(made[:, BUYS] == 0) & (made[:, LIMIT] >= level), FILLED].sum()
        assert bought <= offered[BIDS, : level + 1].sum()
        assert sold <= offered[ASKS, level:].sum()


def recording(path, rows):
    """What `read` finds in a recording of (type, price, side, size, timestamp), on a tick of 0.01."""
    columns = dict(zip(("event_type", "price", "side", "size", "timestamp"), zip(*rows, strict=True), strict=True))
    pq.write_table(pa.table({"asset_id": ["7"] * len(rows), **columns}), path)
    return read(path, tick_units=100)["7"]


def whole(shown, time):
    """Rows of a snapshot of {(side, level): shares}."""
    return [
        ("book", at / 100, ("bid", "ask")[side], float(shares), time) for (side, at), shares in shown.items() if shares
    ]


SIZE_SET = st.one_of(st.just(0), st.integers(1, 400))
MOVE = st.tuples(st.booleans(), st.integers(0, 1), st.integers(47, 52), SIZE_SET, st.booleans())
SENT = st.tuples(st.integers(0, 60), st.integers(0, 60), st.integers(0, 1), st.integers(47, 52), st.integers(1, 600))


@settings(max_examples=60, deadline=None)
@given(st.lists(MOVE, min_size=1, max_size=40), st.lists(SENT, max_size=6))
def test_snapshots_fill_as_the_changes_between_them_do(moves, given_orders):
    """A recording that tells every change by sending the whole book, some of them twice, fills every order as the one
    that sends the changed level alone; after a trade both tell what it left."""
    shown = {(BIDS, 1): 1_000, (ASKS, 99): 1_000}
    changes, snapshots = whole(shown, 0), whole(shown, 0)
    for number, (trades, side, at, size, again) in enumerate(moves):
        time, before = 2 * number + 1, shown.get((side, at), 0)
        now = max(before - size, 0) if trades else size
        if trades and before > now:
            trade = ("last_trade_price", at / 100, ("SELL", "BUY")[side], float(before - now), time)
            changes.append(trade)
            snapshots.append(trade)
        shown[side, at] = now
        if before != now:
            changes.append(("price_change", at / 100, ("bid", "ask")[side], float(now), time))
        snapshots += [*whole(shown, time), *(whole(shown, time + 1) if again else [])]
    sent = np.array([(a, a + lasts, *rest) for a, lasts, *rest in sorted(given_orders)]).reshape(-1, 5)
    sent[:, LEFT] *= MICRO
    with TemporaryDirectory() as folder:
        made = [
            in_each_queue(recording(Path(folder) / "books.parquet", rows), sent, 100, FREE)
            for rows in (changes, snapshots)
        ]
    for queue in QUEUE_AHEAD:
        assert (made[0][queue].orders == made[1][queue].orders).all()


def test_a_snapshot_sent_again_changes_nothing(tmp_path):
    """The same book twice brings no share twice, keeps the queue, and of a later one only what differs is an event: a
    new size, and a level that it lacks."""
    book = whole({(BIDS, 49): 200, (BIDS, 48): 500, (ASKS, 51): 100}, 1)
    later = whole({(BIDS, 49): 120, (ASKS, 51): 100}, 7)
    events = recording(tmp_path / "books.parquet", [*book, *((*row[:4], 4) for row in book), *later])
    assert events.tolist() == [
        event(1, LEVEL, BIDS, 48, 500), event(1, LEVEL, BIDS, 49, 200), event(1, LEVEL, ASKS, 51, 100),
        event(7, LEVEL, BIDS, 48, 0), event(7, LEVEL, BIDS, 49, 120),
    ]  # fmt: skip
    made = played(events, [[3, 3, 1, 51, 100], [5, 5, 1, 51, 100]])
    assert (made.orders[:, FILLED] // MICRO).tolist() == [100, 0]


def test_a_trade_between_snapshots_is_no_cancellation(tmp_path):
    """100 were ahead (the neutral half of 200); 80 sold leave 20, and a snapshot of 120 says nothing new about them: of
    40 more sold, 20 are ours. Where the snapshot shows 200 again, a fall by 100 later is cancelled, half of the 20."""
    first = whole({(BIDS, 49): 200}, 1)
    sold = ("last_trade_price", 0.49, "SELL", 80.0, 5)
    more = ("last_trade_price", 0.49, "SELL", 40.0, 9)
    sent = [[3, 20, 1, 49, 100]]
    left = recording(tmp_path / "left.parquet", [*first, sold, *whole({(BIDS, 49): 120}, 6), more])
    assert played(left, sent).orders[0, FILLED] == 20 * MICRO
    refilled = [*first, sold, *whole({(BIDS, 49): 200}, 6), *whole({(BIDS, 49): 100}, 7), more]
    assert played(recording(tmp_path / "refilled.parquet", refilled), sent).orders[0, FILLED] == 30 * MICRO


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
    events = recording(tmp_path / "books.parquet", rows)
    assert events[-1].tolist() == [5, TRADE, BIDS, 49, 250 * MICRO]
    made = in_each_queue(events, np.array([[3, 9, 1, 49, 100 * MICRO]]), 100, FREE)
    assert made["pessimistic"].orders[0, FILLED] == 50 * MICRO


@pytest.mark.parametrize("level", [-1, 101])
def test_what_lies_off_the_book_is_refused(level):
    """A limit or an event outside 0 to 1 is named before anything is written beside the arrays."""
    with pytest.raises(DataError, match=f"order 0 is at level {level}"):
        played(BOOK, [[3, 9, 1, level, 100]])
    with pytest.raises(DataError, match=f"event 5 is at level {level}"):
        played([*BOOK, event(5, LEVEL, ASKS, level, 1)], [[3, 9, 1, 52, 100]])
