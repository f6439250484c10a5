"""The bars on which a forecaster is judged: those of the slices that nothing was learned from."""

from typing import Final

import numpy as np

from pipelines.forecast.training_windows import IntArray, Rows

JUDGED: Final = ("agent", "selection", "gate")
"""Everything after the calibration slice."""


def judged(rows: Rows, lookback: int, ahead: int) -> IntArray:
    """Bars of JUDGED with a whole lookback before them and so many bars after them, at prices in [0.02, 0.98]."""
    return np.concatenate([rows.lively(rows.positions(name, lookback, ahead)) for name in JUDGED])
