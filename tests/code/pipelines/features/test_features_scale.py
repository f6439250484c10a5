"""Scales and standardisation."""

import numpy as np
import pytest

from pipelines.core.errors import ArtifactError
from pipelines.features import scale
from pipelines.features.garch import Garch
from pipelines.features.spec import FEATURES


def test_log_odds_and_back():
    """A price goes to log-odds and back; 0 and 1 have finite log-odds."""
    mid = np.array([0, 500, 5000, 9999, 10_000])
    assert np.isfinite(scale.log_odds(mid)).all()
    assert np.allclose(scale.price_after(mid, np.zeros(5)), [0.001, 0.05, 0.5, 0.999, 0.999])


def test_local_volatility_has_a_floor_and_reads_thirty_returns():
    """A window that stands still has volatility 0.01; returns older than 30 bars do not count, and a jump counts as a
    move of 0.15 log-odds."""
    still = np.full((1, 60), 5000)
    assert scale.local_volatility(still) == pytest.approx(0.01)
    older = still.copy()
    older[0, :29] = 2000
    assert scale.local_volatility(older) == pytest.approx(0.01)
    older[0, :31] = 2000
    assert scale.local_volatility(older) == pytest.approx(np.sqrt(0.15**2 / 30 + 0.01**2))


def test_scaler_standardises_and_clips():
    """Transformed values have mean 0 and sd 1 on the slice they were fitted on and never pass the winsor bound."""
    raw = np.random.default_rng(1).lognormal(size=(5000, 15)) * 100
    raw[:, 3] = 7.0
    scaler = scale.Scaler.fit(raw, FEATURES, 8.0)
    made = scaler.transform(raw)
    assert np.abs(made[:, 5]).max() <= 8.0
    assert abs(made[:, 5].mean()) < 1e-9
    assert made[:, 5].std() == pytest.approx(1.0, rel=1e-6)
    assert np.allclose(made[:, 3], 0.0)
    again = scale.Scaler.parse(scaler.document())
    assert np.array_equal(again.transform(raw), made)
    assert np.array_equal(scaler.select(("volume",)).transform(raw[:, 5:6]), made[:, 5:6])


def test_a_scaler_fitted_in_parts_is_the_same_to_the_bit():
    """Mean and deviation do not depend on where one part of the rows ends, also of a part without rows."""
    raw = np.random.default_rng(1).lognormal(size=(5000, 15)) * 100
    transforms = tuple(feature.transform for feature in FEATURES)
    values = scale._transformed(raw, transforms)
    for edges in ([], [1], [0, 77, 77, 4_999]):
        parts = np.split(raw, edges)
        made = scale.Scaler.fit_parts(lambda parts=parts: iter(parts), FEATURES, 8.0)
        assert made.mean.tobytes() == values.mean(axis=0).tobytes()
        assert made.sd.tobytes() == values.std(axis=0).tobytes()


def test_scaler_of_another_version_is_refused():
    """Statistics of another feature version are named and refused."""
    document = scale.Scaler.fit(np.zeros((2, 15)), FEATURES, 8.0).document() | {"feature_version": "0"}
    with pytest.raises(ArtifactError, match="feature version '0'"):
        scale.Scaler.parse(document)


def test_garch_filter_reads_the_past_only():
    """The conditional volatility at a bar does not depend on later prices, and rises after a move."""
    garch = Garch(1e-5, 0.2, 0.7)
    mid = np.full((1, 60), 5000)
    mid[0, 40:] = 5500
    made = garch.volatility(mid)
    mid[0, 50:] = 100
    assert np.array_equal(garch.volatility(mid)[0, :50], made[0, :50])
    assert made[0, 40] > made[0, 39]
