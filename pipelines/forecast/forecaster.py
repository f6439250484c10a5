"""What a forecaster is: what it reads in addition to the features, and how it is trained and exported."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from pipelines.core.sections import ForecastParams
from pipelines.forecast.checkpoint import Checkpoint
from pipelines.forecast.training_windows import IntArray

Batch = tuple[NDArray[np.float32], NDArray[np.float32]]

Reads = Literal["sentiment", "garch"]
"""Extra inputs of every bar: the decayed sentiment of headlines; the conditional volatility of a GARCH filter."""


@dataclass(frozen=True)
class TrainingData:
    """What a forecaster learns from: eligible positions, and a function from positions to (input, scaled target).

    Inputs are (n, bars, inputs), standardised float32; targets (n, horizon) in units of volatility x sqrt(h):
    the change of log-odds, or what the state-space filter leaves of it.
    """

    positions: IntArray
    batch: Callable[[IntArray], Batch]
    bars: int
    """The last bars of a window that the forecaster reads."""
    inputs: int
    ts_s: Callable[[IntArray], IntArray]
    """From positions to the market seconds of their bars."""
    start: Sequence[NDArray[Any]] | None = None
    """Weights of the champion's network that a training may begin from, in the order of Keras."""


Train = Callable[[TrainingData, ForecastParams, Checkpoint, Path], dict[str, Any]]
"""Learn, and write `forecaster.onnx` into the folder: (n, bars, inputs) float32 -> (n, horizon, 4), the mean and the
quantiles 0.05, 0.5 and 0.95 of the scaled change. What comes back goes into the stage's report."""


@dataclass(frozen=True, kw_only=True)
class Forecaster:
    """One kind of forecaster. A module in `kinds`, or one that params.yaml names by its path, declares it once."""

    meaning: str
    train: Train | None
    """None where filter and linear path are the whole forecaster."""
    linear: bool = True
    """Whether a linear path is fitted over the filter, on what is known at the bar."""
    reads: tuple[Reads, ...] = ()
    bars: int | None = None
    """How many of a window's last bars the network reads; None for all. The inputs of older bars are not made then."""
    keras: bool = False
    """Whether `train` also writes forecaster.keras, which the package stage proves forecaster.onnx against."""
