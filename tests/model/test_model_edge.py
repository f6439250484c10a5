"""What can be learned from the synthetic markets: something at edge 1, nothing at edge 0."""

import numpy as np
import pytest

from pipelines.features.compute import batch
from pipelines.features.scale import local_volatility, log_odds, price_after
from pipelines.forecast import ridge
from pipelines.forecast.conformal import fit_confidence
from pipelines.forecast.safe_shrink import Unseen, safe_shrink
from pipelines.inference.inputs import InputScaler, relative
from simulator.markets.events import Family, build
from simulator.markets.price_model import Model
from simulator.markets.truth import truth

LOOKBACK, HORIZON, LAST = 60, 24, 6
STEPS = np.sqrt(np.arange(1, HORIZON + 1))


def _windows(edge, events, count, seed):
    """Random windows of some events: relative values, mids, volatility, log-odds moves, price moves, event, time."""
    family = Family(3, Model(edge=edge), event_length_min=1440, event_every_min=240, markets_per_event=5)
    known = truth(family, [build(family, number) for number in events])
    mids, volumes = known.paths.mid_units, known.paths.volume_micro
    ts = 1_767_225_600 + 60 * np.arange(mids.shape[1])
    features = np.stack([batch(ts, mid, volume, None) for mid, volume in zip(mids, volumes, strict=True)])
    rng = np.random.default_rng(seed)
    market = rng.integers(0, len(mids), count)
    end = rng.integers(LOOKBACK - 1, mids.shape[1] - HORIZON, count)
    keep = (mids[market, end] > 200) & (mids[market, end] < 9_800)
    market, end = market[keep, None], end[keep, None]
    window = mids[market, end + np.arange(1 - LOOKBACK, 1)]
    later = mids[market, end + np.arange(1, HORIZON + 1)]
    volatility = local_volatility(window)
    values = relative(features[market, end + np.arange(1 - LOOKBACK, 1)], window, volatility)
    moves = log_odds(later) - log_odds(window[:, -1:])
    event = known.event[market[:, 0]]
    price_moves, at = (later - window[:, -1:]) / 1e4, ts[0] + 60 * (240 * event + end[:, 0])
    return values, window[:, -1], volatility, moves, price_moves, event, at


def _forecaster(edge):
    """A ridge on 16,000 windows, calibrated on later events: inputs and confidence, as the stage makes them."""
    values, _, volatility, moves, *_ = _windows(edge, range(30), 16_000, 1)
    scaler = InputScaler.fit(values, 8.0)
    target = moves / (volatility[:, None] * STEPS)
    clip = np.quantile(np.abs(target), 0.998, axis=0)
    weights, bias = ridge.fit(_last(scaler, values), target, clip)

    def mean(windows):
        return _last(scaler, windows) @ weights + bias

    values, mid, volatility, moves, price_moves, event, at = _windows(edge, range(30, 40), 8_000, 2)
    unit = volatility[:, None] * STEPS
    start = mid[:, None] / 1e4
    added = price_after(mid[:, None], mean(values) * unit) - start
    shrink = safe_shrink(Unseen(added, np.zeros_like(added), price_moves, event, at, later=20))
    confidence = fit_confidence(shrink * mean(values) * unit, volatility, moves, event)
    return lambda windows, scale: shrink * mean(windows) * scale[:, None] * STEPS, confidence


def _last(scaler, values):
    inputs = scaler.transform(values[:, -LAST:])
    return inputs.reshape(len(inputs), -1)


def _measured(edge):
    """Pooled skill in price units at h = 5..24 and the largest confidence, on later events."""
    forecast, confidence = _forecaster(edge)
    values, mid, volatility, _, moves, *_ = _windows(edge, range(40, 60), 16_000, 3)
    mean = forecast(values, volatility)
    predicted = price_after(mid[:, None], mean) - mid[:, None] / 1e4
    error, null = (moves - predicted)[:, 4:], moves[:, 4:]
    return 1 - np.sqrt((error**2).sum() / (null**2).sum()), confidence.of(mean, volatility)


@pytest.mark.slow
def test_an_edge_is_found():
    """At edge 1 even the linear start beats the market price by 1.5 % out of sample, and is sure sometimes."""
    skill, confidence = _measured(1.0)
    assert skill > 0.015
    assert 0.001 < (confidence >= 0.7).mean() < 0.2


@pytest.mark.slow
def test_no_edge_is_not_invented():
    """At edge 0 the forecast is shrunk to where it does no harm, and no bar reaches a confidence of 0.7."""
    skill, confidence = _measured(0.0)
    assert -0.005 < skill < 0.005
    assert confidence.max() < 0.7
