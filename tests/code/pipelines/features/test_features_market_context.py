"""The market context: batch equals the rolling form to the bit, absent is neutral, and nothing later is read."""

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest

from pipelines.core.brackets import Bracket
from pipelines.features.ladder import ABSENT, LADDER, places_of
from pipelines.features.market_context import CONTEXT, NEAR, Moves, RollingContext
from pipelines.features.order_flow import ORDER_FLOW
from pipelines.features.reference_gap import REFERENCE
from pipelines.features.state_space_batch import Books, Rungs, contexts

START_S = 1_767_225_600
COLUMN = {name: index for index, name in enumerate(CONTEXT)}


BRACKETS = [
    Bracket("range", -math.inf, 10.0), Bracket("range", 10.0, 12.0), Bracket("range", 12.0, 15.0),
    Bracket("range", 15.0, math.inf), Bracket("level", 10.0, math.inf), Bracket("level", 20.0, math.inf),
    Bracket("level", 35.0, math.inf), None, Bracket("below", -math.inf, 3.0), Bracket("below", -math.inf, 2.0),
    Bracket("below", -math.inf, 5.0), Bracket("below", -math.inf, 4.0),
]  # fmt: skip
"""Of three events: ranges, thresholds with a market of no level among them, thresholds downward in no order."""
EXCLUSIVE = [False] * 4 + [True] * 4 + [False] * 4


def _books(seed=3, events=3, sides=4, bars=150, gaps=True):
    """Markets of three events with gaps, missing books and sides without size."""
    rng = np.random.default_rng(seed)
    rows = []
    for market in range(events * sides):
        ts = START_S + 60 * np.arange(bars)
        if gaps:
            ts = np.delete(ts, rng.choice(np.arange(1, bars), 4, replace=False))
        mid = np.clip(4_000 + np.cumsum(rng.integers(-3, 4, len(ts)) * 50), 50, 9_950)
        spread = np.where(rng.random(len(ts)) < 0.3, 0, 100)
        sizes = [np.where(rng.random(len(ts)) < 0.2, 0, rng.integers(1, 10**11, len(ts))) for _ in range(2)]
        starts = np.append(True, np.diff(ts) != 60)
        rows.append((np.full(len(ts), market // sides), starts, ts, mid, spread, *sizes))
    counts = [len(row[2]) for row in rows]
    rungs = Rungs.of(BRACKETS, EXCLUSIVE, [market // sides for market in range(len(rows))], counts)
    fair = np.where(rng.random((sum(counts), 2)) < 0.2, np.nan, rng.random((sum(counts), 2)))
    flow = rng.uniform(-1, 1, (sum(counts), len(ORDER_FLOW)))
    columns = (np.concatenate(column) for column in zip(*rows, strict=True))
    return Books(*columns, rungs=rungs, fair=fair, flow=flow), counts


def _rolling(books, lengths):
    """Every bar again, minute by minute, as the live process sees it."""
    edges = np.cumsum([0, *lengths])
    made = np.zeros((len(books.ts_s), len(CONTEXT)))
    state, last, seen = {}, {}, {}
    for market, (left, right) in enumerate(itertools.pairwise(edges.tolist())):
        for row in range(left, right):
            seen.setdefault(int(books.ts_s[row]), []).append((market, row))
    for ts_s in sorted(seen):
        moves = {}
        for market, row in seen[ts_s]:
            if books.starts[row]:
                state[market] = RollingContext()
            else:
                moves[market] = int(books.mid_units[row] - last[market])
            last[market] = books.mid_units[row]
        for market, row in seen[ts_s]:
            event = books.event[row]
            mine = Moves([m for other, m in moves.items() if books.event[edges[other]] == event])
            sizes = int(books.bid_size_micro[row]), int(books.ask_size_micro[row])
            there = [m for m, at in seen[ts_s] if m != market and books.event[at] == event]
            rungs = [(BRACKETS[m], int(last[m]), moves.get(m, 0)) for m in (market, *there) if BRACKETS[m] is not None]
            place = ABSENT if BRACKETS[market] is None else places_of(rungs)[0]
            exclusive = sum(int(last[m]) for m in (market, *there)) if EXCLUSIVE[market] else 0
            book = int(books.mid_units[row]), int(books.spread_units[row]), sizes
            told = tuple(books.fair[row].tolist()), books.flow[row].tolist()
            made[row] = state[market].push(ts_s, *book, mine.others(moves.get(market)), place, exclusive, *told)
    return made


def test_batch_equals_rolling_to_the_bit():
    """Markets with gaps, sides without size, bars without a book, ladders of every kind and fair values have the same
    bits in both forms, and every column says something."""
    books, lengths = _books()
    assert contexts(books).any(axis=0).all()
    assert contexts(books).tobytes() == _rolling(books, lengths).tobytes()


@pytest.mark.parametrize("column", ["mid_units", "spread_units", "bid_size_micro", "ask_size_micro"])
def test_no_later_bar_is_read(column):
    """What happens after a minute, in any market, changes no bit up to it."""
    books, _ = _books(gaps=False)
    cut = START_S + 60 * 90
    other = getattr(books, column).copy()
    other[books.ts_s > cut] = 5_000
    before = books.ts_s <= cut
    changed = contexts(replace(books, **{column: other}))
    assert contexts(books)[before].tobytes() == changed[before].tobytes()
    assert contexts(books)[~before].tobytes() != changed[~before].tobytes()


def test_absent_is_neutral():
    """Without a book and without siblings only the own price and the hour say something."""
    count = 40
    mid = 5_000 + 50 * (np.arange(count) % 3)
    nothing, ts = np.zeros(count, dtype=np.int64), START_S + 60 * np.arange(count)
    made = contexts(Books(nothing, np.arange(count) == 0, ts, mid, nothing, nothing, nothing))
    absent = ("spread", "lean", "lean_spread", "micro_gap", "sum_move", "agreed", "sum_60", "others", "peak")
    for name in (*absent, *LADDER, *REFERENCE, *ORDER_FLOW):
        assert not made[:, COLUMN[name]].any(), name
    assert made[1:, COLUMN["move"]].any()


def test_a_print_that_the_sum_keeps_is_agreed_and_a_shift_is_not():
    """A bracket that rises alone has its whole move agreed; one that rises at the cost of another has none."""
    ts = np.tile(START_S + 60 * np.arange(3), 2)
    event, starts = np.zeros(6, dtype=np.int64), np.array([True, False, False] * 2)
    nothing = np.zeros(6, dtype=np.int64)
    alone = np.array([3_000, 3_400, 3_400, 7_000, 7_000, 7_000])
    shifted = np.array([3_000, 3_400, 3_400, 7_000, 6_600, 6_600])
    one, other = (
        contexts(Books(event, starts, ts, mid, nothing, nothing, nothing))[1, COLUMN["agreed"]]
        for mid in (alone, shifted)
    )
    assert one == pytest.approx(0.04)
    assert other == 0.0


def test_the_largest_sibling_is_found_with_its_sign():
    """Of equal sizes the rise counts; without siblings there is none."""
    assert Moves([20, -20, 5, 0]).others(0) == (5, 3, 20)
    assert Moves([20, -20, 5]).others(20) == (-15, 2, -20)
    assert Moves([7]).others(7) == (0, 0, 0)
    assert Moves([20, -20]).others(None) == (0, 0, 0)


def _before(compute, books, cut_s):
    """What a computation says of the bars up to a time, and what it says when everything after it is another."""
    later = books.ts_s > cut_s
    rng = np.random.default_rng(8)
    other = {
        "mid_units": np.where(later, rng.integers(2, 190, len(later)) * 50, books.mid_units),
        "spread_units": np.where(later, rng.integers(1, 9, len(later)) * 100, books.spread_units),
        "bid_size_micro": np.where(later, rng.integers(1, 10**11, len(later)), books.bid_size_micro),
        "ask_size_micro": np.where(later, rng.integers(1, 10**11, len(later)), books.ask_size_micro),
    }
    for name in ("fair", "flow"):
        told = getattr(books, name)
        other[name] = np.where(later[:, None], rng.random(told.shape), told)
    return compute(books)[~later].tobytes(), compute(replace(books, **other))[~later].tobytes()


def test_honest_columns_pass_the_proof():
    """With another future in every market, every column of the context is the same to the bit before it."""
    books, _ = _books(gaps=False)
    one, other = _before(contexts, books, START_S + 60 * 90)
    assert one == other


@pytest.mark.parametrize("name", [name for name in CONTEXT if not name.startswith("hour")])
def test_a_seeded_leak_is_caught(name):
    """Each column that depends on prices, books or fair values fails the proof when it is that of the next bar."""
    books, _ = _books(gaps=False)

    def leaked(seen):
        made = contexts(seen)[:, [COLUMN[name]]]
        return np.concatenate((made[1:], made[-1:]))

    one, other = _before(leaked, books, START_S + 60 * 90)
    assert one != other


def test_the_last_book_counts_for_five_bars():
    """Where no book is seen the last one counts five bars longer, then nothing does."""
    count = 12
    nothing, ts = np.zeros(count, dtype=np.int64), START_S + 60 * np.arange(count)
    seen = np.arange(count) == 2
    books = Books(nothing, np.arange(count) == 0, ts, nothing + 5_000, 100 * seen, 4_000_000 * seen, 2_000_000 * seen)
    made = contexts(books)[:, COLUMN["lean"]]
    assert not made[:2].any()
    assert (made[2:8] == made[2]).all()
    assert made[2] > 0.0
    assert not made[8:].any()


def _closes(brackets, prices, exclusive=False):
    """The place columns of markets of one event whose prices are given for each bar, (markets, bars, len(LADDER))."""
    markets, bars = np.shape(prices)
    ts, starts = np.tile(START_S + 60 * np.arange(bars), markets), np.tile(np.arange(bars) == 0, markets)
    nothing, mid = np.zeros(markets * bars, dtype=np.int64), np.asarray(prices, dtype=np.int64).ravel()
    rungs = Rungs.of(brackets, [exclusive] * markets, [0] * markets, [bars] * markets)
    made = contexts(Books(nothing, starts, ts, mid, nothing, nothing, nothing, rungs=rungs))
    return made[:, len(NEAR) : len(NEAR) + len(LADDER)].reshape(markets, bars, -1)


RANGES = [Bracket("", 10.0 * k, 10.0 * (k + 1)) for k in range(5)]
FAIR = np.array([600, 2_400, 4_000, 2_400, 600])


def test_a_price_above_the_fitted_distribution_has_a_positive_residual():
    """One bracket that is dear among prices of a normal law has the largest residual, and those of the law have almost
    none."""
    quiet = _closes(RANGES, FAIR[:, None])[:, 0, LADDER.index("residual")]
    dear = _closes(RANGES, np.add(FAIR, [0, 0, 0, 500, 0])[:, None])[:, 0, LADDER.index("residual")]
    assert np.abs(quiet).max() < 0.01
    assert np.argmax(dear) == 3
    assert dear[3] > 0.02


def test_thresholds_have_the_residual_of_their_ranges():
    """A threshold that is dear among the prices of a normal law has the largest residual, upward and downward."""
    above = np.cumsum(FAIR[::-1])[::-1][1:]
    for brackets, prices in (
        ([Bracket("", 10.0 * (k + 1), math.inf) for k in range(4)], above),
        ([Bracket("", -math.inf, 10.0 * (k + 1)) for k in range(4)], 10_000 - above),
    ):
        quiet = _closes(brackets, prices[:, None])[:, 0, LADDER.index("residual")]
        dear = _closes(brackets, np.add(prices, [0, 0, 400, 0])[:, None])[:, 0, LADDER.index("residual")]
        assert np.abs(quiet).max() < 0.01
        assert np.argmax(dear) == 2


def test_neighbours_are_the_next_brackets_by_level():
    """Whatever the order of the markets, moves and gaps are those of the next lower and the next upper level."""
    prices = np.stack([FAIR, np.add(FAIR, [50, 0, -150, 0, 250])], axis=1)
    order = [3, 0, 4, 2, 1]
    found = _closes([RANGES[k] for k in order], prices[order])[:, 1]
    row = dict(zip(LADDER, found[order.index(3)].tolist(), strict=True))
    assert row["below_move"] == -0.015
    assert row["above_move"] == 0.025
    assert row["below_gap"] == pytest.approx(0.145)
    assert row["above_gap"] == pytest.approx(-0.155)
    lowest = dict(zip(LADDER, found[order.index(0)].tolist(), strict=True))
    assert lowest["below_move"] == lowest["below_gap"] == 0.0


@pytest.mark.parametrize(
    ("brackets", "exclusive", "total", "excess"),
    [
        (RANGES, False, 10_500, 0.05), (RANGES, False, 9_500, 0.0),
        ([Bracket("", -math.inf, 1.0), Bracket("", 1.0, 2.0), Bracket("", 2.0, math.inf)], False, 9_500, -0.05),
        ([None] * 4, True, 11_000, 0.1), ([None] * 4, True, 9_000, 0.0), ([None] * 4, False, 11_000, 0.0),
        ([Bracket("", 1.0, math.inf), Bracket("", 2.0, math.inf)], False, 15_000, 0.0),
    ],
)  # fmt: skip
def test_the_excess_is_what_exclusive_prices_have_over_one(brackets, exclusive, total, excess):
    """Above 1 the sum of exclusive prices is in error whether or not all are known; below 1 only where the brackets
    leave nothing out; thresholds are not exclusive."""
    prices = np.full((len(brackets), 1), total // len(brackets))
    prices[0] += total - prices.sum()
    found = _closes(brackets, prices, exclusive)[:, 0, LADDER.index("excess")]
    assert found == pytest.approx(prices[:, 0] / 10_000 * excess)


@pytest.mark.parametrize(
    "brackets",
    [
        [Bracket("", 0.0, 2.0), Bracket("", 1.0, 3.0), Bracket("", 2.0, 4.0)],
        [Bracket("a", 0.0, 1.0), Bracket("b", 1.0, 2.0), Bracket("c", 2.0, 3.0)],
        [Bracket("", 1.0, math.inf), Bracket("", 1.0, math.inf), Bracket("", 3.0, math.inf)],
        [None, None, Bracket("", 1.0, 2.0)],
    ],
)
def test_brackets_that_are_no_ladder_are_neutral(brackets):
    """Ranges that overlap, quantities of their own, equal levels and lone brackets say nothing."""
    prices = np.array([[3_000, 3_100], [5_000, 4_900], [6_000, 6_000]])
    assert not _closes(brackets, prices).any()


def test_the_gap_to_the_fair_value_is_in_price_units():
    """A fair value above the price is a positive gap, less its means where it lasts; an unknown one is 0 and leaves the
    means alone."""
    fair = np.array([[0.55, 0.50], [np.nan, np.nan], [0.55, np.nan], [0.60, 0.52]])
    nothing, ts = np.zeros(4, dtype=np.int64), START_S + 60 * np.arange(4)
    books = Books(nothing, np.arange(4) == 0, ts, nothing + 5_000, nothing, nothing, nothing, fair=fair)
    found = contexts(books)[:, [COLUMN[name] for name in REFERENCE]]
    assert found[:, 0] == pytest.approx([0.05, 0.0, 0.05, 0.1])
    assert found[:, 1] == pytest.approx([0.05, 0.0, 0.0, 0.08])
    assert found[:, 2] == pytest.approx([0.0, 0.0, 0.0, 0.05 * 2 / 3])
    assert found[:, 3] == pytest.approx([0.0, 0.0, 0.0, 0.05 * 7 / 8])
