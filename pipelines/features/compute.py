"""Batch features of one contiguous series of bars. Rolling sums run on integers, so the live form can be bit-equal."""

import numpy as np

from pipelines.core.domain import FloatArray
from pipelines.features import spec
from pipelines.features.feature import IntArray, Series


def batch(ts_s: IntArray, mid_units: IntArray, volume_micro: IntArray, end_s: int | None) -> FloatArray:
    """Raw features, shape (n, len(spec.FEATURES)), of n consecutive bars of one market; row k reads bars 0..k only.

    `mid_units` in [0, 10,000]. Windows at the start use what is there. No value is infinite or missing.
    """
    ts, mid, volume = (np.asarray(column, dtype=np.int64) for column in (ts_s, mid_units, volume_micro))
    series = Series(ts, mid, volume, end_s)
    return np.stack([feature.batch(series) for feature in spec.FEATURES], axis=1)
