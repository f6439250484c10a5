"""The networks: the guide's recurrent ones with its layer sizes, and the dense one. Each gives all horizons at once."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras

QUANTILES = (0.05, 0.5, 0.95)
OUTPUTS = 1 + len(QUANTILES)

Build = Callable[..., Any]
"""From (lookback, inputs, horizon, dropout, *, seed, portable) to an untrained Keras network (n, lookback, inputs) ->
(n, horizon, OUTPUTS) whose output starts at zero."""

DENSE_BARS = 2
DENSE_WIDTHS = (128, 64)


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

    The output layer starts at zero: a short training begins where filter and linear path end, which lie under it.

    Weights and dropout are drawn from `seed` alone, not from the generator of the process: other threads, as those of
    a Dask worker, draw from that one too. `portable` avoids the GPU-only recurrent kernels, which ONNX cannot express;
    the weights are the same.
    """
    kernels, draw = False if portable else "auto", Seeds(seed)
    windows = keras.Input((lookback, inputs))
    hidden = layers.first(128, return_sequences=True, use_cudnn=kernels, **draw.recurrent())(windows)
    hidden = keras.layers.Dropout(dropout, seed=draw())(hidden)
    after = keras.layers.Dropout(dropout, seed=draw())
    hidden = after(layers.second(64, use_cudnn=kernels, **draw.recurrent())(hidden))
    for width in layers.dense:
        start = keras.initializers.GlorotUniform(draw())
        hidden = keras.layers.Dense(width, activation="relu", kernel_initializer=start)(hidden)
    correction = keras.layers.Dense(horizon * OUTPUTS, kernel_initializer="zeros")(hidden)
    both = keras.layers.Reshape((horizon, OUTPUTS))(correction)
    return keras.Model(windows, both, name="forecaster")


class Seeds:
    """Seeds one after the other, the ones that Keras draws after `keras.utils.set_random_seed(seed)`."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)  # noqa: S311 - weights, no secrets

    def __call__(self) -> int:
        """The next seed."""
        return self._random.randint(1, 10**9)

    def recurrent(self) -> dict[str, Any]:
        """The seeded arguments of an LSTM or GRU."""
        return {
            "kernel_initializer": keras.initializers.GlorotUniform(self()),
            "recurrent_initializer": keras.initializers.Orthogonal(seed=self()),
            "seed": self(),
        }


def build_dense(
    lookback: int, inputs: int, horizon: int, dropout: float, *, seed: int = 0, portable: bool = False
) -> Any:
    """Untrained network of dense layers on the last bars of a window; what is older reaches it through filter states
    and decayed inputs. It is the same network whether it has to be `portable` or not."""
    del portable
    draw, bars = Seeds(seed), min(DENSE_BARS, lookback)
    windows = keras.Input((lookback, inputs))
    hidden = keras.layers.Flatten()(keras.layers.Cropping1D((lookback - bars, 0))(windows))
    for width in DENSE_WIDTHS:
        start = keras.initializers.GlorotUniform(draw())
        hidden = keras.layers.Dense(width, activation="relu", kernel_initializer=start)(hidden)
        hidden = keras.layers.Dropout(dropout, seed=draw())(hidden)
    made = keras.layers.Dense(horizon * OUTPUTS, kernel_initializer="zeros")(hidden)
    return keras.Model(windows, keras.layers.Reshape((horizon, OUTPUTS))(made), name="forecaster")
