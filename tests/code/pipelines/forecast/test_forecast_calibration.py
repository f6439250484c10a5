"""Conformal intervals, confidence, ridge start and metrics."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.forecast import ridge
from pipelines.forecast.accuracy import Errors, clustered_interval, skill
from pipelines.forecast.conformal import fit_confidence, fit_offset, interval_scores


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000), st.floats(0.2, 3.0), st.sampled_from([0.8, 0.9, 0.95]))
def test_conformal_intervals_cover_new_data(seed, scale, coverage):
    """Whatever the network's band, the conformal one covers later data of the same kind at the asked rate."""
    rng = np.random.default_rng(seed)
    band = np.tile(np.array([-0.5, 0.0, 0.5]), (8000, 3, 1))
    target = (scale * rng.standard_t(4, size=(8000, 3))).astype(np.float32)
    offset = fit_offset(band[:4000], target[:4000], coverage)
    inside = (target[4000:] >= -0.5 - offset) & (target[4000:] <= 0.5 + offset)
    assert np.abs(inside.mean(axis=0) - coverage).max() < 0.03


def test_the_score_of_an_interval_prefers_the_one_that_knows_the_width():
    """On errors whose width differs by bar, a band that follows it scores better than one for all, and a band that is
    wrong scores worse, also after all are widened to the same coverage; a missing error has no score."""
    rng = np.random.default_rng(3)
    wide = np.exp(rng.normal(size=(4_000, 2)))
    errors, event = wide * rng.normal(size=(4_000, 2)), np.repeat(np.arange(40), 100)
    errors[::3, 1] = np.nan
    sides = np.array([-1.645, 0.0, 1.645])
    bands = [unit[..., None] * sides for unit in (wide, np.ones_like(wide), 1.0 / wide)]
    made = [interval_scores(band, errors, np.ones_like(wide), event, 0.9) for band in bands]
    assert np.array_equal(np.isnan(made[0]), np.isnan(errors))
    for h in (0, 1):
        right, flat, wrong = (float(np.nansum(one[:, h])) for one in made)
        assert right < 0.9 * flat < 0.9 * wrong


def _moves(signal, seed=0, events=40, bars=400, horizon=5):
    rng = np.random.default_rng(seed)
    n = events * bars
    volatility = np.full(n, 0.05)
    steps = np.sqrt(np.arange(horizon))
    strength = rng.normal(size=(n, 1)) * 0.4
    mean = np.concatenate((np.zeros((n, 1)), 0.05 * steps[1:] * strength), axis=1)
    noise = 0.05 * steps * rng.normal(size=(n, 1))
    return mean, volatility, signal * mean + noise, np.repeat(np.arange(events), bars)


def test_confidence_states_the_hit_rate():
    """With a true signal the stated probability equals the share of right signs, in every band of it."""
    mean, volatility, moves, event = _moves(1.0)
    table = fit_confidence(mean, volatility, moves, event)
    stated = table.of(mean, volatility)
    right = np.sign(mean[:, 2]) == np.sign(moves[:, 2])
    for low, high in ((0.5, 0.6), (0.6, 0.7), (0.7, 0.8)):
        band = (stated >= low) & (stated < high)
        assert abs(right[band].mean() - stated[band].mean()) < 0.03


def test_no_signal_gives_no_confidence():
    """Forecasts that say nothing about the moves never reach 0.7, whatever the seed."""
    for seed in range(20):
        mean, volatility, moves, event = _moves(0.0, seed)
        assert fit_confidence(mean, volatility, moves, event).of(mean, volatility).max() < 0.7


def test_wrong_forecasts_give_one_half():
    """Forecasts that point the wrong way get no confidence instead of a negative one."""
    mean, volatility, moves, event = _moves(-1.0)
    assert fit_confidence(mean, volatility, moves, event).of(mean, volatility).max() == 0.5


def test_a_market_that_never_moves_gives_one_half():
    """Without a single move there is nothing to be right about."""
    mean, volatility, moves, event = _moves(1.0)
    assert fit_confidence(mean, volatility, np.zeros_like(moves), event).of(mean, volatility).max() == 0.5


def test_ridge_finds_a_linear_relation_and_shrinks_noise():
    """The linear start recovers true weights, and gives nearly nothing where there is nothing."""
    rng = np.random.default_rng(1)
    inputs = rng.normal(size=(50_000, 12)).astype(np.float32)
    truth = rng.normal(size=(12, 3))
    target = inputs @ truth + rng.normal(size=(50_000, 3))
    weights, bias = ridge.fit(inputs, target, np.full(3, 100.0))
    assert np.abs(weights - truth).max() < 0.05
    assert np.abs(bias).max() < 0.05
    nothing, _ = ridge.fit(inputs, rng.normal(size=(50_000, 3)), np.full(3, 100.0))
    assert np.abs(nothing).max() < 0.03


def test_skill_is_zero_for_persistence_and_one_for_the_truth():
    """Skill is 1 - RMSE / RMSE of persistence; where nothing moved it is 0."""
    moves = np.random.default_rng(0).normal(size=(100, 3))
    assert skill(moves, moves) == 0.0
    assert skill(np.zeros_like(moves), moves) == 1.0
    assert skill(np.zeros((5, 1)), np.zeros((5, 1))) == 0.0


def test_skill_interval_is_clustered_by_event():
    """Copies of the same bars within an event do not narrow the interval."""
    rng = np.random.default_rng(2)
    null = rng.normal(size=(400, 1))
    error = null - 0.3 * rng.normal(size=(400, 1))
    event = np.repeat(np.arange(20), 20)
    once = clustered_interval(error, null, event)
    often = clustered_interval(np.tile(error, (5, 1)), np.tile(null, (5, 1)), np.tile(event, 5))
    assert np.allclose(once, often)


def test_draws_of_events_that_did_not_move_have_no_skill():
    """Where most events stood still, the draws of these alone say 0, with errors of the last digit too; they do not
    turn an interval infinite."""
    moved, error = np.zeros(5), np.full(5, 1e-34)
    moved[0], error[0] = 1.0, 0.81
    low, high = Errors(error, moved).interval()
    assert np.isclose(low, 0.0)
    assert np.isclose(high, 0.1)
    assert np.allclose(clustered_interval(np.sqrt(error), np.sqrt(moved), np.arange(5)), (low, high))
