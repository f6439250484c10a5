"""Our side of the comparison with other programs, on paths that were computed by hand."""

import numpy as np
import pytest

from benchmarks.agreement_bars import compared
from benchmarks.agreement_orders import LATENCY_NS, STEP_NS, Replay, feed, orders
from benchmarks.scripted import HUGE, ScriptedQuotes, replayed, stepped
from pipelines.core.domain import FeeSchedule
from pipelines.replay.recorded_books import replay
from pipelines.trading import book_replay

MICRO = 1_000_000
MID = np.array([5_000, 5_100, 5_200, 5_000, 4_900, 4_900])
WANTED = np.array([1, 1, -1, -1, 0, 0])


def test_everything_in_follows_the_path_through_a_reversal():
    """All of 100 pUSD buys at 0.50, turns at 0.52 into NO at 0.48 and is sold at 0.51: 100 x 52/50 x 51/48."""
    quotes = ScriptedQuotes(MID, MID, MID, WANTED)
    by_hand = [0.0, 2.0, 4.0, 104 * 50 / 48 - 100, 104 * 51 / 48 - 100, 104 * 51 / 48 - 100]
    assert replayed(quotes, 100 * MICRO) == pytest.approx(by_hand, abs=0.02)
    assert (stepped(quotes, 100 * MICRO) == replayed(quotes, 100 * MICRO)).all()


def test_a_fixed_size_gains_its_moves_and_pays_half_the_spread_at_each_fill():
    """100 shares gain 2 and 3 pUSD on moves of 0.02 and 0.03; four fills at a spread of 0.002 cost 0.40."""
    assert replayed(ScriptedQuotes(MID, MID, MID, WANTED), HUGE, 100.0).tolist() == [0.0, 1.0, 2.0, 4.0, 5.0, 5.0]
    assert replayed(ScriptedQuotes(MID, MID - 10, MID + 10, WANTED), HUGE, 100.0)[-1] == 4.6


def test_where_their_curve_says_nothing_it_is_not_compared():
    """The largest difference leaves out nulls; the final one is ours less theirs."""
    made = compared([0.0, None, 2.0, 3.0], np.array([0.0, 9.0, 2.5, 3.25]))
    assert (made["difference"], made["largest_on_curve"]) == (0.25, 0.5)


def test_orders_on_a_feed_are_booked_at_the_middle():
    """A buy of 10 at 0.501 in a book of 0.500 and 0.501 loses half a tick a share and the fee of 0.01 a share."""
    rows = [
        (0, book_replay.LEVEL, book_replay.BIDS, 500, 50 * MICRO),
        (1, book_replay.LEVEL, book_replay.ASKS, 501, 50 * MICRO),
    ]
    later = (STEP_NS, book_replay.LEVEL, book_replay.BIDS, 490, MICRO)
    sent = orders(np.array([[2, 501]]), np.array([[1, 0, 10, 1]]))
    ours = Replay(np.array([*rows, later]), sent, FeeSchedule(0.01, 0.0))
    gained = ours.gained(np.array([3, STEP_NS + LATENCY_NS]))
    assert gained.tolist() == pytest.approx([0.0, -10 * 0.0005 - 10 * 0.01])


def test_the_feed_is_never_crossed():
    """At every event the best bid lies below the best ask and time goes forward."""
    events = feed(2_000, 3)
    quotes = replay(events, np.zeros((0, 5), dtype=np.int64), 10, FeeSchedule(0.0), "pessimistic").quotes
    assert (np.diff(events[:, book_replay.TIME]) > 0).all()
    assert (quotes[:, 0] < quotes[:, 1]).all()
