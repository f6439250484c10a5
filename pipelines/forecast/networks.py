"""The networks of the guide. Layer sizes are the guide's; the head gives 24 horizons at once instead of one sigmoid."""

import random
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from pipelines.forecast import ridge

QUANTILES = (0.05, 0.5, 0.95)
OUTPUTS = 1 + len(QUANTILES)

LINEAR = "linear_path"


@dataclass(frozen=True, slots=True)
class Layers:
    """First recurrent layer (128 units), second (64 units), widths of the dense layers after them."""

    first: type[Any]
    second: type[Any]
    dense: tuple[int, ...]


def build(
    layers: Layers, lookback: int, inputs: int, horizon: int, dropout: float, *, seed: int = 0, portable: bool = False
) -> Any:
    """Untrained network (n, lookback, inputs) -> (n, horizon, 4): mean, q05, q50, q95 of the scaled change.

    Beside the recurrent layers runs a linear path over the last bars. It holds a ridge regression (`start_linear`) and
    is not trained further; the recurrent part starts at zero and learns what is left. A short training thus begins
    where a good linear forecast ends, and with no ridge weights at persistence.

    Weights and dropout are drawn from `seed` alone, not from the generator of the process: other threads, as those of
    a Dask worker, draw from that one too. `portable` avoids the GPU-only recurrent kernels, which ONNX cannot express;
    the weights are the same.
    """
    kernels, draw = False if portable else "auto", _Seeds(seed)
    windows = keras.Input((lookback, inputs))
    hidden = layers.first(128, return_sequences=True, use_cudnn=kernels, **draw.recurrent())(windows)
    hidden = keras.layers.Dropout(dropout, seed=draw())(hidden)
    after = keras.layers.Dropout(dropout, seed=draw())
    hidden = after(layers.second(64, use_cudnn=kernels, **draw.recurrent())(hidden))
    for width in layers.dense:
        start = keras.initializers.GlorotUniform(draw())
        hidden = keras.layers.Dense(width, activation="relu", kernel_initializer=start)(hidden)
    correction = keras.layers.Dense(horizon * OUTPUTS, kernel_initializer="zeros")(hidden)
    last = keras.layers.Flatten()(keras.layers.Cropping1D((lookback - ridge.BARS, 0))(windows))
    linear = keras.layers.Dense(horizon * OUTPUTS, kernel_initializer="zeros", trainable=False, name=LINEAR)(last)
    both = keras.layers.Reshape((horizon, OUTPUTS))(keras.layers.Add()([correction, linear]))
    return keras.Model(windows, both, name="forecaster")


class _Seeds:
    """Seeds one after the other, the ones that Keras draws after `keras.utils.set_random_seed(seed)`."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)  # noqa: S311 - weights, no secrets

    def __call__(self) -> int:
        return self._random.randint(1, 10**9)

    def recurrent(self) -> dict[str, Any]:
        """The seeded arguments of an LSTM or GRU."""
        return {
            "kernel_initializer": keras.initializers.GlorotUniform(self()),
            "recurrent_initializer": keras.initializers.Orthogonal(seed=self()),
            "seed": self(),
        }


def start_linear(model: Any, weights: NDArray[np.float64], bias: NDArray[np.float64]) -> None:
    """Put the ridge solution (ridge.BARS x inputs, H) for the mean into the linear path; the quantiles move along."""
    horizon = weights.shape[1]
    kernel = np.repeat(weights[:, :, None], OUTPUTS, axis=2).reshape(len(weights), horizon * OUTPUTS)
    model.get_layer(LINEAR).set_weights([kernel, np.repeat(bias, OUTPUTS)])
