"""Bars that are kept compressed are the same bars, market by market."""

from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.core.packed import PackedBars, PackedMarkets
from pipelines.core.raw_tables import Bars


def _bars(counts: dict[int, int], seed: int = 0) -> Bars:
    """So many bars of each market, of any values."""
    random = np.random.default_rng(seed)
    code = np.repeat(sorted(counts), [counts[one] for one in sorted(counts)]).astype(np.int64)
    columns = {one.name: random.integers(-(2**62), 2**62, len(code)) for one in fields(Bars)}
    return Bars(**{**columns, "code": code, "filled": columns["filled"] > 0})


def _same(one: Bars, other: Bars) -> bool:
    pairs = ((getattr(one, field.name), getattr(other, field.name)) for field in fields(Bars))
    return all(a.dtype == b.dtype and np.array_equal(a, b) for a, b in pairs)


@given(counts=st.dictionaries(st.integers(0, 9), st.integers(1, 40), max_size=6), seed=st.integers(0, 99))
def test_what_was_packed_comes_back_to_the_bit(counts: dict[int, int], seed: int) -> None:
    """Values, types and order of all bars; markets without bars are not there."""
    bars = _bars(counts, seed)
    packed = PackedBars.of(bars)

    assert _same(packed.whole(), bars)
    assert len(packed) == len(bars)
    assert packed.codes == sorted(counts)
    assert packed.counts(10).tolist() == [counts.get(code, 0) for code in range(10)]


def test_markets_come_one_by_one_in_the_order_that_is_asked_for() -> None:
    """However they were added, a market's bars are whole, and `only` leaves the others out."""
    packed = PackedBars()
    for code in (7, 2, 5):
        packed.add(_bars({code: code}))

    assert [int(part.code[0]) for part in packed.parts()] == [2, 5, 7]
    assert [len(part) for part in packed.parts([5, 7])] == [5, 7]
    assert packed.only([7]).codes == [7]
    assert len(packed) == 14


def test_bars_take_a_fraction_of_their_memory() -> None:
    """A day of a walking price takes less than half of what its arrays take."""
    random = np.random.default_rng(1)
    n = 1_440
    times, nothing = 1_767_225_600 + 60 * np.arange(n), np.zeros(n, np.int64)
    mids = 5_000 + 50 * np.cumsum(random.integers(-1, 2, n))
    volume = random.integers(0, 10**9, n)
    bars = Bars(nothing, times, mids, volume, random.integers(0, 9, n), nothing, nothing > 0, nothing, nothing)
    packed = PackedBars.of(bars)

    assert sum(map(len, packed._parts.values())) < 0.5 * 65 * n


def test_pieces_of_a_market_follow_each_other() -> None:
    """Rows of two days are one run of rows, and a market that was never added is not there."""
    packed = PackedMarkets()
    packed.add("a", {"ts_s": np.array([1, 2])})
    packed.add("a", {"ts_s": np.array([3])})

    assert packed["a"]["ts_s"].tolist() == [1, 2, 3]
    assert list(packed) == ["a"]
    assert packed.get("b") is None
    with pytest.raises(KeyError):
        packed["b"]
