"""`boosting`: gradient-boosted trees on the last bar."""

from pathlib import Path
from typing import Any

from pipelines.core.sections import ForecastParams
from pipelines.forecast import trees
from pipelines.forecast.checkpoint import Checkpoint
from pipelines.forecast.forecaster import Forecaster, TrainingData


def train(data: TrainingData, params: ForecastParams, checkpoint: Checkpoint, folder: Path) -> dict[str, Any]:
    """Fit the trees and write them as ONNX."""
    made = trees.fit(data, params)
    trees.write(made, (data.bars, data.inputs, params.horizon_bars), folder / "forecaster.onnx")
    return {"trees": sum(len(one.trees) for one in made)}


FORECASTER = Forecaster(meaning="gradient-boosted trees on the last bar", train=train, bars=1)
