"""`garch_lstm`: two LSTM layers that also read a GARCH filter's conditional volatility."""

import keras

from pipelines.forecast.recurrent import recurrent

FORECASTER = recurrent(
    "two LSTM layers that also read a GARCH filter's conditional volatility",
    keras.layers.LSTM,
    keras.layers.LSTM,
    reads=("garch",),
)
