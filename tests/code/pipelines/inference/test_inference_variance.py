"""The predicted variance of a forecast: found where errors follow it, absent where they do not, the same live."""

from dataclasses import replace

import numpy as np
import pytest

from pipelines.features.garch import Garch
from pipelines.features.scale import Scaler, log_odds
from pipelines.features.spec import FEATURE_NAMES, FEATURES
from pipelines.features.state_space import STATES
from pipelines.forecast.variance_fit import LEAST_EVENTS, VarianceSample, fit_variance
from pipelines.inference.calibration import Conformal
from pipelines.inference.inputs import INPUTS, InputScaler
from pipelines.inference.linear_path import SEEN
from pipelines.inference.variance import COVARIATES, Variance, covariates

GARCH, LENGTH_S, HORIZON, LOOKBACK = Garch(1e-5, 0.1, 0.85), 60, 6, 30


def errors_of(count=40, bars=200, seed=0, strength=0.6):
    """Events whose errors are exp(strength x first sign) wide, in units of a scale that knows nothing of it."""
    rng = np.random.default_rng(seed)
    seen = rng.normal(size=(count * bars, len(COVARIATES)))
    wide = np.exp(strength * seen[:, 0])
    errors = wide[:, None] * rng.normal(size=(count * bars, HORIZON))
    return VarianceSample(seen, errors, np.repeat(np.arange(count), bars))


def test_the_width_follows_what_the_errors_follow():
    """A model is found, on later events the factor is as much wider as the errors are, and a 90 % interval covers the
    calm third of the bars as often as the wild one."""
    found = fit_variance(errors_of(), GARCH, LENGTH_S)
    assert found is not None
    later = errors_of(seed=1)
    factor = found.factor(later.covariates)
    slope = np.polyfit(later.covariates[:, 0], np.log(factor[:, 2]), 1)[0]
    assert slope == pytest.approx(0.6, abs=0.1)
    third = np.searchsorted(np.quantile(later.covariates[:, 0], (1 / 3, 2 / 3)), later.covariates[:, 0])
    for unit, least in ((factor, 0.87), (np.ones_like(factor), 0.0)):
        size = np.abs(later.errors / unit)[:, 0]
        covered = [(size[third == k] <= np.quantile(size, 0.9)).mean() for k in range(3)]
        assert min(covered) > least
    assert max(covered) - min(covered) > 0.15


def test_errors_that_follow_nothing_keep_their_scale():
    """Where the size of errors depends on nothing that is seen, or events are too few to tell, there is no model."""
    assert [fit_variance(errors_of(seed=seed, strength=0.0), GARCH, LENGTH_S) for seed in range(5)] == [None] * 5
    assert fit_variance(errors_of(count=LEAST_EVENTS - 1), GARCH, LENGTH_S) is None


def test_missing_errors_and_signs_that_never_vary_say_nothing():
    """Bars whose market ended early count at the horizons that they have; a sign that was constant has no weight."""
    seen = errors_of()
    errors, constant = seen.errors.copy(), seen.covariates.copy()
    errors[::2, 3:], constant[:, 5] = np.nan, 4.0
    found = fit_variance(VarianceSample(constant, errors, seen.event), GARCH, LENGTH_S)
    assert np.all(found.weights[5] == 0.0)
    other = constant.copy()
    other[:, 5] = 400.0
    assert np.array_equal(found.factor(constant), found.factor(other))


def test_the_variance_of_a_window_is_where_its_recursion_ends():
    """The closed form gives the last volatility of the GARCH filter."""
    mids = np.random.default_rng(4).integers(4_000, 6_000, size=(20, LOOKBACK))
    squares = np.diff(log_odds(mids), axis=1, prepend=log_odds(mids[:, :1])) ** 2
    assert np.sqrt(GARCH.variance(squares)) == pytest.approx(GARCH.volatility(mids)[:, -1], rel=1e-12)


def test_the_factor_is_bounded():
    """However unlike anything before a bar is, its interval is a quarter to four times as wide as usual."""
    found = replace(Variance.neutral(GARCH, LENGTH_S, HORIZON), weights=np.full((len(COVARIATES) + 1, HORIZON), 3.0))
    factor = found.factor(np.array([[1e9] * len(COVARIATES), [-1e9] * len(COVARIATES)]))
    assert factor.tolist() == [[4.0] * HORIZON, [0.25] * HORIZON]


def test_signs_of_a_window_do_not_depend_on_its_company():
    """A window alone, as the bot sees it, has the bits that it has among others; what they are follows its own moves,
    surprises, headlines and end."""
    rng = np.random.default_rng(3)
    features = np.abs(rng.normal(size=(50, LOOKBACK, len(FEATURE_NAMES))))
    mids = rng.integers(4_000, 6_000, size=(50, LOOKBACK))
    states = rng.normal(size=(50, LOOKBACK, len(SEEN))) * 0.01
    states[:25, :, STATES.index("tone")] = 0.0
    every = covariates(GARCH, LENGTH_S, features, mids, states)
    alone = [covariates(GARCH, LENGTH_S, features[[k]], mids[[k]], states[[k]])[0] for k in range(50)]
    assert np.array_equal(every, np.stack(alone))
    assert every[:, COVARIATES.index("headline_in_10_bars")].tolist() == [0.0] * 25 + [1.0] * 25
    without = covariates(GARCH, LENGTH_S, features, mids, None)
    assert np.array_equal(without[:, 0], without[:, 1])
    wild = states.copy()
    wild[0, -1, STATES.index("innovation")] = 1.0
    assert covariates(GARCH, LENGTH_S, features, mids, wild)[0, 1] > every[0, 1] + 1.0


def test_the_variance_travels_with_the_calibration():
    """What is written is read back to the bit; a table without a variance has none."""
    plain = Conformal.neutral(0.9, HORIZON)
    assert Conformal.parse(plain.document()).variance is None
    found = fit_variance(errors_of(), GARCH, LENGTH_S)
    back = Conformal.parse(replace(plain, variance=found).document()).variance
    assert (back.garch, back.length_s) == (found.garch, found.length_s)
    seen = errors_of(seed=2).covariates
    assert np.array_equal(back.factor(seen), found.factor(seen))


@pytest.mark.parametrize("fit", [InputScaler, Scaler])
def test_an_input_that_never_varied_is_nothing_later(fit):
    """Where a column was constant when the scale was fitted, as displayed sizes are before books were recorded, any
    later value of it is 0 to the forecaster and the agent; the other columns are as ever."""
    rng, width = np.random.default_rng(1), len(INPUTS) if fit is InputScaler else len(FEATURES)
    values = rng.normal(size=(40, 30, width))
    values[..., 2] = 0.0
    one = InputScaler.fit(values, 5.0) if fit is InputScaler else Scaler.fit(values.reshape(-1, width), FEATURES, 5.0)
    later = values.copy()
    later[..., 2] = 3.0
    assert np.all(one.transform(later)[..., 2] == 0.0)
    assert np.array_equal(one.transform(later), one.transform(values))
    assert np.abs(one.transform(values)).max() > 1.0
