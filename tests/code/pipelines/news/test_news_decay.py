"""Sentiment at a bar is the decayed sum of what was known, the same bits live and in training."""

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pipelines.news.decay import TAU_S, Decay, batch, impulses


def bars(count: int, first: int = 60) -> np.ndarray:
    """Closes of minute bars."""
    return np.arange(first, first + 60 * count, 60, dtype=np.int64)


def test_without_headlines_it_is_neutral() -> None:
    """No news is 0."""
    assert batch(bars(5), np.array([], np.int64), np.array([])).tolist() == [0.0] * 5


def test_a_headline_counts_from_the_bar_in_which_it_is_known() -> None:
    """Known within (60, 120] it is in the bar that closes at 120, decayed since it was known, and not before."""
    found = batch(bars(3), np.array([90], np.int64), np.array([0.8]))

    assert found[0] == 0.0
    assert math.isclose(found[1], 0.8 * math.exp(-30 / TAU_S))
    assert math.isclose(found[2], 0.8 * math.exp(-90 / TAU_S))


def test_it_is_clipped_for_reading_not_in_the_sum() -> None:
    """Many good headlines read 1, and take longer to fade than one."""
    many = batch(bars(10), np.full(5, 60, np.int64), np.full(5, 0.9))

    assert many[0] == 1.0
    assert many[9] == 1.0


def test_unscored_headlines_are_neutral() -> None:
    """A headline without a score adds nothing."""
    assert batch(bars(2), np.array([60], np.int64), np.array([np.nan])).tolist() == [0.0, 0.0]


news = st.lists(st.tuples(st.integers(0, 4_000), st.floats(-1, 1)), max_size=20)


@given(news)
def test_both_forms_give_the_same_bits(items: list[tuple[int, float]]) -> None:
    """Pushing bar by bar equals the batch, bit for bit."""
    closes = bars(60)
    known = np.array([k for k, _ in items], np.int64)
    scores = np.array([s for _, s in items], float)
    decay, before, live = Decay(), -1, []
    for close in closes.tolist():
        fresh = sorted((k, s) for k, s in items if before < k <= close)
        live.append(decay.push(close, fresh))
        before = close

    assert batch(closes, known, scores).tolist() == live


@given(news, st.integers(0, 59))
def test_the_future_changes_nothing(items: list[tuple[int, float]], bar: int) -> None:
    """Headlines known after a bar's close do not reach it."""
    closes = bars(60)
    known = np.array([k for k, _ in items], np.int64)
    scores = np.array([s for _, s in items], float)
    past = known <= closes[bar]

    assert batch(closes, known, scores)[bar] == batch(closes, known[past], scores[past])[bar]


def test_a_headline_is_an_impulse_in_the_one_bar_in_which_it_is_known() -> None:
    """Known within (60, 120] it is the tone of the bar that closes at 120 and of no other; those of one bar add up,
    clipped to [-1, 1]; what was known before the first bar is in none."""
    known, scores = np.array([0, 90, 120, 130, 240], np.int64), np.array([0.9, 0.2, 0.3, -0.9, 0.7])
    tone, count = impulses(bars(3), known, scores, 60)

    assert tone.tolist() == [0.0, 0.2 + 0.3, -0.9]
    assert count.tolist() == [0, 2, 1]
    assert impulses(bars(1), np.full(3, 60, np.int64), np.full(3, 0.8), 60)[0].tolist() == [1.0]


@given(news, st.integers(0, 59))
def test_an_impulse_reads_nothing_of_the_future(items: list[tuple[int, float]], bar: int) -> None:
    """Headlines known after a bar's close change neither tone nor number of it or of any bar before."""
    closes = bars(60)
    known = np.array([k for k, _ in items], np.int64)
    scores = np.array([s for _, s in items], float)
    past = known <= closes[bar]
    whole, cut = impulses(closes, known, scores, 60), impulses(closes, known[past], scores[past], 60)

    assert [column[: bar + 1].tolist() for column in whole] == [column[: bar + 1].tolist() for column in cut]
