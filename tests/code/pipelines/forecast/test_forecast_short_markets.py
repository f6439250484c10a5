"""Markets that end before the horizon: every fit uses the moves that are there, and those alone."""

import numpy as np
from test_forecast_windows import make_rows

from pipelines.forecast import linear_fit
from pipelines.forecast.accuracy import skill
from pipelines.forecast.conformal import fit_confidence, fit_offset
from pipelines.forecast.safe_shrink import Unseen, safe_shrink

RNG = np.random.default_rng(0)
COUNT, HORIZON, EVENTS = 400, 3, 25
EVENT = np.repeat(np.arange(EVENTS), COUNT // EVENTS)
MOVED = RNG.normal(size=(COUNT, HORIZON)) * 0.02
FORECAST = 0.5 * MOVED + RNG.normal(size=(COUNT, HORIZON)) * 0.005
AT = 60 * np.arange(COUNT)


def kept(forecast, moved, has=slice(None)):
    """The safe shrink of the bars that are there, 25 events expected."""
    return safe_shrink(Unseen(forecast[has], np.zeros_like(moved[has]), moved[has], EVENT[has], AT[has], EVENTS))


def sample(inputs, moved, has=slice(None)):
    """Bars of a fit whose filter forecasts nothing."""
    return linear_fit.Sample(inputs[has], moved[has], np.zeros_like(moved[has]), EVENT[has], AT[has])


def cut(values):
    """The values without those that the last bars of each market do not have: the later the horizon, the more."""
    missing = (np.arange(COUNT) % 16)[:, None] + np.arange(1, HORIZON + 1) > 15
    return np.where(missing, np.nan, values), ~missing


def test_a_move_beyond_the_end_of_a_run_is_missing():
    """A bar with one bar after it has a move at one horizon; moves within the run are those of a longer one."""
    rows = make_rows([("a", 12, 0)])
    last = np.array([9, 10])
    moves, prices = rows.moves(last, 3), rows.price_moves(last, 3)
    assert np.isnan(moves).tolist() == [[False, False, True], [False, True, True]]
    assert (np.isnan(prices) == np.isnan(moves)).all()
    assert (moves[:, 0] == rows.moves(last, 1)[:, 0]).all()


def test_every_fit_uses_the_moves_that_are_there():
    """Offset and shrink of a horizon are those of the bars that have it; one that no market has is not kept, and its
    interval is as wide as the last."""
    moved, known = cut(MOVED)
    band = np.zeros((COUNT, HORIZON, 3))
    offset, shrink = fit_offset(band, moved.astype(np.float32), 0.9), kept(FORECAST, moved)
    for h in range(HORIZON):
        has, one = known[:, h], slice(h, h + 1)
        assert offset[h] == fit_offset(band[has][:, one], MOVED[has][:, one].astype(np.float32), 0.9)[0]
        assert np.isclose(shrink[h], kept(FORECAST[:, one], MOVED[:, one], has)[0], rtol=1e-12)
    none = moved.copy()
    none[:, -1] = np.nan
    assert fit_offset(band, none.astype(np.float32), 0.9)[-1] == offset[-2]
    assert kept(FORECAST, none)[-1] == 0.0


def test_a_missing_move_says_nothing_of_the_confidence():
    """It counts as little as a price that stands still."""
    moved, _ = cut(MOVED)
    still = np.nan_to_num(np.where(np.isnan(moved), moved[:, :1], moved))
    made, wanted = (fit_confidence(FORECAST, np.full(COUNT, 0.02), one, EVENT) for one in (moved, still))
    assert made.slope.tolist() == wanted.slope.tolist()
    assert (made.slope > 0.0).all()


def test_the_linear_path_learns_each_horizon_from_the_bars_that_have_it():
    """Weights of a horizon are those of a fit on these bars; one that no market has gets none."""
    inputs = RNG.normal(size=(COUNT, 4))
    target = inputs[:, :1] * 0.01 + MOVED
    left, known = cut(target)
    whole = sample(inputs, target)
    path, shrink = linear_fit.fit(sample(inputs, left), whole, EVENTS)
    assert shrink.shape == (HORIZON,)
    for h in range(HORIZON):
        has = known[:, h]
        alone = sample(inputs, target[:, h : h + 1], has)
        judged = sample(inputs, target[:, h : h + 1])
        assert (path.weights[:, h] == linear_fit._fit(alone, judged, path.scale, EVENTS)[0].weights[:, 0]).all()
    left[:, -1] = np.nan
    path, shrink = linear_fit.fit(sample(inputs, left), whole, EVENTS)
    assert not path.weights[:, -1].any()
    assert shrink[-1] == 0.0


def test_the_judgement_counts_the_moves_that_are_there():
    """Skill over bars with missing moves is that of the known ones."""
    moved, known = cut(MOVED)
    error = moved - FORECAST
    assert skill(error, moved) == skill(error[known], moved[known])


def test_a_missing_move_has_no_error_and_no_gradient():
    """The loss of a network ignores it, and the loss of whole targets is the plain formula to the bit."""
    import tensorflow as tf

    from pipelines.forecast.losses import QUANTILES, MeanAndQuantiles

    loss = MeanAndQuantiles([0.03] * HORIZON, 1.0)
    made = tf.Variable(RNG.normal(size=(COUNT, HORIZON, 4)).astype(np.float32))
    moved, known = cut(MOVED.astype(np.float32))
    with tf.GradientTape() as tape:
        value = tf.reduce_sum(loss.call(tf.constant(moved), made))
    gradient = tape.gradient(value, made).numpy()
    assert np.isfinite(value.numpy())
    assert (gradient[~known] == 0.0).all()
    assert (gradient[known] != 0.0).any()
    target = tf.constant(MOVED.astype(np.float32))
    plain = tf.reduce_mean(tf.square(tf.clip_by_value(target, -0.03, 0.03) - made[..., 0]), axis=-1)
    parts = [
        tf.reduce_mean(tf.maximum(q * error, (q - 1.0) * error), axis=-1)
        for q, error in ((q, target - made[..., i + 1]) for i, q in enumerate(QUANTILES))
    ]
    assert (loss.call(target, made).numpy() == (1.0 * plain + tf.add_n(parts)).numpy()).all()
