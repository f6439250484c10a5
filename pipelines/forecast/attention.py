"""A small Transformer: blocks of self-attention over the window (Vaswani et al., 2017)."""

from typing import Any, Final

import keras

from pipelines.forecast.networks import OUTPUTS, Seeds

WIDTH: Final = 64
"""Units that represent a bar."""
HEADS: Final = 4
BLOCKS: Final = 2
DENSE: Final = 32


def build_attention(
    lookback: int, inputs: int, horizon: int, dropout: float, *, seed: int = 0, portable: bool = False
) -> Any:
    """Untrained network whose output starts at zero; normalisation comes before each part (Xiong et al., 2020). Every
    operator of it is one that ONNX has, so it is the same whether it has to be `portable` or not."""
    del portable
    draw = Seeds(seed)
    windows = keras.Input((lookback, inputs))
    # A bias per bar and unit is a learned encoding of the place in the window.
    hidden = keras.layers.EinsumDense(
        "nlk,kw->nlw", (lookback, WIDTH), bias_axes="lw", kernel_initializer=keras.initializers.GlorotUniform(draw()),
        bias_initializer=keras.initializers.RandomNormal(stddev=0.02, seed=draw()),
    )(windows)  # fmt: skip
    for _ in range(BLOCKS):
        hidden = _block(hidden, dropout, draw)
    last = keras.layers.Flatten()(keras.layers.Cropping1D((lookback - 1, 0))(hidden))
    start = keras.initializers.GlorotUniform(draw())
    last = keras.layers.LayerNormalization()(last)
    last = keras.layers.Dense(DENSE, activation="relu", kernel_initializer=start)(last)
    made = keras.layers.Dense(horizon * OUTPUTS, kernel_initializer="zeros")(last)
    return keras.Model(windows, keras.layers.Reshape((horizon, OUTPUTS))(made), name="forecaster")


def _block(hidden: Any, dropout: float, draw: Seeds) -> Any:
    start = keras.initializers.GlorotUniform
    normal = keras.layers.LayerNormalization()(hidden)
    attend = keras.layers.MultiHeadAttention(HEADS, WIDTH // HEADS, kernel_initializer=start(draw()), seed=draw())
    hidden = keras.layers.Add()([hidden, keras.layers.Dropout(dropout, seed=draw())(attend(normal, normal))])
    normal = keras.layers.LayerNormalization()(hidden)
    wide = keras.layers.Dense(2 * WIDTH, activation="relu", kernel_initializer=start(draw()))(normal)
    narrow = keras.layers.Dense(WIDTH, kernel_initializer=start(draw()))(wide)
    return keras.layers.Add()([hidden, keras.layers.Dropout(dropout, seed=draw())(narrow)])
