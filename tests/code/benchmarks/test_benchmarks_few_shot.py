"""Rules of the adapting head: sums are errors, nothing later is read, and it moves only as far as tasks differ."""

import numpy as np
import pytest

from benchmarks.few_shot import BARS, HORIZONS, _gains, task
from benchmarks.few_shot_head import Learner, Prior, Sums

SIZE = 4
RNG = np.random.default_rng(7)


def sums(weights, bars, rng, noise=1.0):
    """The sums of bars whose moves are these weights times random inputs, and noise."""
    parts = []
    for horizon in range(len(HORIZONS)):
        x = rng.normal(size=(bars, SIZE))
        parts.append((x, x @ weights[:, horizon] + noise * rng.normal(size=bars)))
    return Sums.of(parts)


def world(spread, rng, tasks=40):
    """Tasks whose own weights lie around common ones by `spread`: first bars and judging bars of each."""
    common = rng.normal(size=(SIZE, len(HORIZONS)))
    made = []
    for _ in range(tasks):
        own = common + spread * rng.normal(size=common.shape)
        made.append((sums(own, 400, rng), sums(own, 2_000, rng)))
    return made


def learner(made):
    """A learner whose prior comes from some tasks and whose strength from others."""
    whole = [seen + judged for seen, judged in made]
    return Learner.of(Prior.of(whole, (1, 1, 1)), Prior.of(whole[::2], (1, 1, 1)), made[1::2], (1, 1, 1))


def test_sums_give_the_squared_error_of_a_head():
    """The error from sums is the error bar by bar."""
    x, weights = RNG.normal(size=(50, SIZE)), RNG.normal(size=(SIZE, 1))
    y = RNG.normal(size=50)
    assert Sums.of([(x, y)]).squared_error(weights)[0] == pytest.approx(np.sum((y - x @ weights[:, 0]) ** 2))


def test_no_bars_leave_the_prior_as_it_is():
    """At K = 0 the Bayesian head is the mean of the past, and Reptile's its start."""
    made = learner(world(0.5, np.random.default_rng(1)))
    bayes, reptile, anew = made.heads(sums(np.zeros((SIZE, 3)), 0, RNG))
    assert bayes == pytest.approx(made.prior.mean)
    assert np.array_equal(reptile, made.prior.reptile)
    assert not anew.any()


def test_tasks_that_differ_are_learned_from_their_first_bars():
    """Where tasks have weights of their own, adapting lowers the error of new ones."""
    rng = np.random.default_rng(2)
    made = world(0.7, rng)
    one = learner(made[:30])
    gained = [
        judged.squared_error(one.prior.mean) - judged.squared_error(one.heads(seen)[0]) for seen, judged in made[30:]
    ]
    assert one.strength > 0.0
    assert np.mean(gained) > 0.0


def test_tasks_that_are_alike_are_not_moved_far():
    """Where all tasks have the same weights, the adapted head stays near the mean of the past."""
    made = world(0.0, np.random.default_rng(3))
    one = learner(made[:30])
    seen = made[30][0]
    assert np.abs(one.heads(seen)[0] - one.prior.mean).max() < 0.05
    assert np.abs(one.heads(seen)[2] - one.prior.mean).max() > np.abs(one.heads(seen)[0] - one.prior.mean).max()


@pytest.mark.parametrize("bars", BARS[1:])
def test_first_bars_know_nothing_later(bars):
    """Prices after bar K change nothing of what is learned from the first K bars."""
    rng = np.random.default_rng(4)
    price = np.clip(0.5 + 0.001 * rng.normal(size=(2, 700)).cumsum(axis=1), 0.1, 0.9)
    inputs, other = rng.normal(size=(2, 700, SIZE)), price.copy()
    other[:, bars:] = 0.3
    before, after = task(inputs, price)[bars], task(inputs, other)[bars]
    for name in ("xx", "xy", "yy", "count"):
        assert np.array_equal(getattr(before, name), getattr(after, name))
    assert not np.array_equal(task(inputs, price)[-1].yy, task(inputs, other)[-1].yy)


def test_a_gain_is_the_difference_of_skills_with_its_interval():
    """Errors that are halved everywhere are a gain whose interval lies above 0; equal errors are 0."""
    price = np.random.default_rng(5).uniform(0.5, 1.5, (30, 3))
    same, better = _gains(price, 0.9 * price, 0.9 * price), _gains(price, 0.9 * price, 0.45 * price)
    assert all(row == [0.0, 0.0, 0.0] for row in same.values())
    assert all(row[1] > 0.0 for row in better.values())
