"""The networks of the guide. Layer sizes are the guide's; the head gives 24 horizons at once instead of one sigmoid."""

from typing import Any

import keras

from pipelines.core.errors import ParameterError

QUANTILES = (0.05, 0.5, 0.95)
OUTPUTS = 1 + len(QUANTILES)

LAYERS: dict[str, tuple[type[Any], type[Any], tuple[int, ...]]] = {
    "hybrid": (keras.layers.LSTM, keras.layers.GRU, (32, 16)),
    "lstm": (keras.layers.LSTM, keras.layers.LSTM, (32,)),
    "gru": (keras.layers.GRU, keras.layers.GRU, (32,)),
    "sentiment_lstm": (keras.layers.LSTM, keras.layers.LSTM, (32,)),
    "garch_lstm": (keras.layers.LSTM, keras.layers.LSTM, (32,)),
}
"""First recurrent layer (128 units), second (64 units), dense widths."""

EXTRA_INPUTS = {"sentiment_lstm": ("sentiment",), "garch_lstm": ("conditional_volatility",)}
"""Inputs beside the 15 features."""


def build(kind: str, lookback: int, inputs: int, horizon: int, dropout: float, *, portable: bool = False) -> Any:
    """Untrained network (n, lookback, inputs) -> (n, horizon, 4): mean, q05, q50, q95 of the scaled change.

    The output layer starts at zero, which is persistence: training can only move away from the null by evidence.

    `portable` avoids the GPU-only recurrent kernels, which ONNX cannot express; the weights are the same.

    Raises:
        ParameterError: if the kind is unknown.
    """
    if kind not in LAYERS:
        raise ParameterError(f"forecast.kind was {kind!r}; known kinds are {', '.join(LAYERS)}")
    first, second, widths = LAYERS[kind]
    kernels = False if portable else "auto"
    return keras.Sequential(
        [
            keras.Input((lookback, inputs)),
            first(128, return_sequences=True, use_cudnn=kernels),
            keras.layers.Dropout(dropout),
            second(64, use_cudnn=kernels),
            keras.layers.Dropout(dropout),
            *(keras.layers.Dense(width, activation="relu") for width in widths),
            keras.layers.Dense(horizon * OUTPUTS, kernel_initializer="zeros"),
            keras.layers.Reshape((horizon, OUTPUTS)),
        ],
        name=f"forecaster_{kind}",
    )
