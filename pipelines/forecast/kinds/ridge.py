"""`ridge`: the linear path alone, which every network starts from."""

from pathlib import Path
from typing import Any

import numpy as np

from pipelines.core.sections import ForecastParams
from pipelines.forecast import linear, ridge
from pipelines.forecast.checkpoint import Checkpoint
from pipelines.forecast.forecaster import Forecaster, TrainingData


def train(data: TrainingData, params: ForecastParams, checkpoint: Checkpoint, folder: Path) -> dict[str, Any]:
    """Fit the ridge regression of the last bars and write it as ONNX."""
    weights, bias, _ = ridge.of_training_data(data, params.seed)
    shaped = weights.reshape(ridge.BARS, data.inputs, params.horizon_bars)
    linear.write(shaped, bias, params.lookback_bars, folder / "forecaster.onnx")
    return {"parameters": int(np.size(weights) + np.size(bias))}


FORECASTER = Forecaster(meaning="a ridge regression on the last six bars", train=train)
