"""Forecasters that Keras trains: export to ONNX, and the proof that both say the same."""

from functools import partial
from pathlib import Path
from typing import Any

from pipelines.core.sections import ForecastParams
from pipelines.forecast.checkpoint import Checkpoint
from pipelines.forecast.devices import precision, strategy, trained_on
from pipelines.forecast.export import export, parity
from pipelines.forecast.forecaster import Forecaster, Reads, TrainingData
from pipelines.forecast.networks import Build, Layers, build
from pipelines.forecast.training import train
from pipelines.forecast.training_windows import at_most

PARITY_WINDOWS = 256


def recurrent(
    meaning: str, first: type[Any], second: type[Any], *, dense: tuple[int, ...] = (32,), reads: tuple[Reads, ...] = ()
) -> Forecaster:
    """A forecaster of two recurrent Keras layers (128 and 64 units) and dense ones after them."""
    return trained_by_keras(meaning, partial(build, Layers(first, second, dense)), reads=reads)


def trained_by_keras(
    meaning: str, network: Build, *, reads: tuple[Reads, ...] = (), bars: int | None = None
) -> Forecaster:
    """A forecaster of any network that `networks.Build` describes, on the last `bars` bars of a window (None: all)."""

    def learn(data: TrainingData, params: ForecastParams, checkpoint: Checkpoint, folder: Path) -> dict[str, Any]:
        trained, speed = train(network, data, params, strategy(params.replicas), checkpoint)
        model = export(network, trained, params, folder)
        fixed = at_most(data.positions, PARITY_WINDOWS, (params.seed, 3))
        return {
            "parameters": int(trained.count_params()),
            "device": trained_on(params.replicas),
            "windows_per_s": speed,
            "precision": precision(mixed=params.mixed_precision),
            "curves": checkpoint.curve(),
            "onnx_parity": parity(model, folder, data.batch(fixed)[0]),
        }

    return Forecaster(meaning=meaning, reads=reads, train=learn, bars=bars, keras=True)
