"""The market context: batch equals the rolling form to the bit, absent is neutral, and nothing later is read."""

import itertools
from dataclasses import replace

import numpy as np
import pytest

from pipelines.features.market_context import CONTEXT, RollingContext, of_siblings
from pipelines.features.state_space_batch import Books, contexts

START_S = 1_767_225_600
COLUMN = {name: index for index, name in enumerate(CONTEXT)}


def _books(seed=3, events=2, sides=4, bars=150, gaps=True):
    """Markets of two events with gaps, missing books and sides without size."""
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
    return Books(*(np.concatenate(column) for column in zip(*rows, strict=True))), [len(row[2]) for row in rows]


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
            mine = [m for other, m in moves.items() if other != market and books.event[edges[other]] == event]
            sizes = int(books.bid_size_micro[row]), int(books.ask_size_micro[row])
            siblings = mine if market in moves else []
            made[row] = state[market].push(
                ts_s, int(books.mid_units[row]), int(books.spread_units[row]), sizes, siblings
            )
    return made


def test_batch_equals_rolling_to_the_bit():
    """Markets with gaps, sides without size and bars without a book have the same bits in both forms."""
    books, lengths = _books()
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
    for name in ("spread", "lean", "lean_spread", "micro_gap", "sum_move", "agreed", "sum_60", "others", "peak"):
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
    assert of_siblings([20, -20, 5]) == (5, 3, 20)
    assert of_siblings([]) == (0, 0, 0)


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
    return compute(books)[~later].tobytes(), compute(replace(books, **other))[~later].tobytes()


def test_honest_columns_pass_the_proof():
    """With another future in every market, every column of the context is the same to the bit before it."""
    books, _ = _books(gaps=False)
    one, other = _before(contexts, books, START_S + 60 * 90)
    assert one == other


@pytest.mark.parametrize("name", [name for name in CONTEXT if not name.startswith("hour")])
def test_a_seeded_leak_is_caught(name):
    """Each of the twenty columns that depend on prices and books fails the proof when it is that of the next bar."""
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
