"""`sentiment_lstm`: two LSTM layers that also read the sentiment of headlines."""

import keras

from pipelines.forecast.recurrent import recurrent

FORECASTER = recurrent(
    "two LSTM layers that also read the sentiment of headlines",
    keras.layers.LSTM,
    keras.layers.LSTM,
    reads=("sentiment",),
)
