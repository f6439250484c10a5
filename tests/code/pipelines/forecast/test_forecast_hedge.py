"""Weights by recent performance: the regret bound, the weights, and the state after a restart."""

import numpy as np
import pytest

from pipelines.forecast.hedge import Hedge, learned


def _rounds(seed, rounds=400, kind="noise"):
    """Three forecasters of a moving outcome; the best one changes, or an adversary moves away from the favourite."""
    rng = np.random.default_rng(seed)
    for number in range(rounds):
        outcome = rng.normal(size=8) * (1.0 + 10.0 * (rng.random() < 0.02))
        good = number * 3 // rounds if kind == "moving" else 0
        forecasts = rng.normal(size=(8, 3))
        if kind != "useless":
            forecasts[:, good] = 0.7 * outcome + rng.normal(size=8) * 0.3
        if kind == "adversary":
            forecasts = np.tile([-1.0, 0.0, 1.0], (8, 1))
            outcome = np.full(8, 1.0 if number % 2 else -1.0)
        yield forecasts, outcome


def _best_fixed(rounds):
    """Least sum of mean squared errors over a fine grid of fixed weights."""
    grid = np.array([(a, b, 20 - a - b) for a in range(21) for b in range(21 - a)]) / 20.0
    return min(sum(np.mean((f @ w - y) ** 2) for f, y in rounds) for w in grid)


@pytest.mark.parametrize("kind", ["noise", "moving", "useless", "adversary"])
@pytest.mark.parametrize("seed", range(4))
def test_the_regret_stays_within_the_bound(kind, seed):
    """The squared errors exceed those of the best fixed combination by no more than the bound, also on moving targets
    and against an adversary; the bound itself is far below what the worst forecaster loses."""
    rounds = list(_rounds(seed, kind=kind))
    state, made = Hedge(3), 0.0
    for forecasts, outcome in rounds:
        made += state.learn(forecasts, outcome)
    assert made <= _best_fixed(rounds) + state.bound
    worst = max(sum(np.mean((f[:, k] - y) ** 2) for f, y in rounds) for k in range(3))
    assert state.bound < worst


def test_the_weight_goes_to_the_forecaster_that_is_right():
    """After a hundred rounds the forecaster that knows the outcome has nearly all of the weight."""
    weights = learned(3, _rounds(0, 100)).weights
    assert weights[0] > 0.9
    assert weights.sum() == pytest.approx(1.0)


def test_two_opposite_errors_are_averaged():
    """Two forecasters whose errors are opposite share the weight: the best combination is better than either."""
    rng = np.random.default_rng(3)
    rounds = []
    for _ in range(600):
        outcome, error = rng.normal(size=6), rng.normal(size=6)
        rounds.append((np.stack([outcome + error, outcome - error, rng.normal(size=6)], axis=1), outcome))
    assert learned(3, rounds).weights == pytest.approx([0.5, 0.5, 0.0], abs=0.06)


def test_the_state_after_a_restart_is_that_of_the_whole_history():
    """Replaying the rounds so far leads to the same weights to the bit, and to the same next ones."""
    rounds = list(_rounds(5, 80))
    whole, first = learned(3, rounds), learned(3, rounds[:50])
    again = learned(3, rounds[:50])
    assert np.array_equal(first.weights, again.weights)
    for forecasts, outcome in rounds[50:]:
        again.learn(forecasts, outcome)
    assert np.array_equal(whole.weights, again.weights)


def test_no_round_means_equal_weights():
    """Without a round every forecaster has the same weight."""
    assert Hedge(4).weights.tolist() == [0.25] * 4
