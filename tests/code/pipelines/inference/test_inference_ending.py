"""The scale of intervals of markets that end soon: right for prices of outcomes, absent where it describes nothing."""

from dataclasses import replace

import numpy as np
from scipy.special import ndtr

from pipelines.features.families.clock import UNKNOWN_TIME_YEARS, YEAR_S
from pipelines.features.scale import log_odds
from pipelines.forecast.ending_fit import EndingSample, fit_ending
from pipelines.inference.calibration import Conformal
from pipelines.inference.ending import Ending

BARS, HORIZON, LENGTH_S = 60, 12, 5


def windows(count, seed=0):
    """Bars of markets that pay by the sign of a random walk after BARS bars: minutes left, mids, moves and events."""
    rng = np.random.default_rng(seed)
    walk = np.cumsum(rng.normal(size=(count, BARS)), axis=1)
    left = BARS - np.arange(1, BARS)
    mid = np.round(10_000 * np.clip(ndtr(walk[:, :-1] / np.sqrt(left)), 0.001, 0.999)).astype(np.int64)
    now = np.arange(0, BARS - 1 - HORIZON)
    ahead = now[:, None] + np.arange(1, HORIZON + 1)
    moves = log_odds(mid[:, ahead]) - log_odds(mid[:, now])[..., None]
    shape = (count, len(now))
    seen = EndingSample(
        np.broadcast_to(left[now] * LENGTH_S / YEAR_S, shape).ravel(), mid[:, now].ravel(), np.full(shape, 0.2).ravel(),
        moves.reshape(-1, HORIZON), np.repeat(np.arange(count), len(now)),
    )  # fmt: skip
    inside = (seen.mid_units >= 500) & (seen.mid_units <= 9_500)
    return EndingSample(*(getattr(seen, name)[inside] for name in EndingSample.__dataclass_fields__))


def covered(seen, ending):
    """Share of the moves one bar ahead inside a 90 % interval of one width in units of the scale, by thirds of the time
    left."""
    unit = seen.volatility[:, None] * np.sqrt(np.arange(1, HORIZON + 1))
    if ending is not None:
        unit = unit * ending.factor(seen.years_left, seen.mid_units, seen.volatility, HORIZON)
    size = np.abs(seen.left / unit)[:, 0]
    third = np.searchsorted(np.quantile(seen.years_left, (1 / 3, 2 / 3)), seen.years_left)
    return [float((size[third == k] <= np.quantile(size, 0.9)).mean()) for k in range(3)]


def test_the_interval_follows_the_time_to_the_end():
    """With the scale each third of a window's bars is covered as often as all; without it the last is not."""
    seen = windows(400)
    found = fit_ending(seen, LENGTH_S)
    assert found is not None
    assert found.power == 1.0
    assert all(abs(share - 0.9) < 0.02 for share in covered(windows(400, seed=1), found))
    assert min(covered(windows(400, seed=1), None)) < 0.85


def test_prices_that_move_alike_to_the_end_keep_their_scale():
    """Where the moves do not depend on time and price nothing is fitted, nor where no market has a known end."""
    seen = windows(200)
    moves = np.random.default_rng(2).normal(size=seen.left.shape).cumsum(axis=1) * 0.2
    assert fit_ending(replace(seen, left=moves), LENGTH_S) is None
    assert fit_ending(replace(seen, years_left=np.full(len(moves), UNKNOWN_TIME_YEARS)), LENGTH_S) is None


def test_a_market_without_a_known_end_has_the_plain_scale():
    """The factor is 1 there, at every horizon."""
    factor = Ending(1.0, 60.0, 5).factor(np.full(2, UNKNOWN_TIME_YEARS), np.array([100, 5_000]), np.full(2, 0.1), 4)
    assert (factor == 1.0).all()


def test_the_scale_travels_with_the_calibration():
    """What is written is read back; a table without a scale has none."""
    plain = Conformal.neutral(0.9, 3)
    assert Conformal.parse(plain.document()).ending is None
    ending = Ending(0.5, 60.0, 5)
    assert Conformal.parse(replace(plain, ending=ending).document()).ending == ending
