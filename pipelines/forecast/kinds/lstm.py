"""`lstm`: two LSTM layers."""

import keras

from pipelines.forecast.recurrent import recurrent

FORECASTER = recurrent("two LSTM layers", keras.layers.LSTM, keras.layers.LSTM)
