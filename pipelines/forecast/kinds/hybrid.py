"""`hybrid`: LSTM of 128 units, then GRU of 64."""

import keras

from pipelines.forecast.recurrent import recurrent

FORECASTER = recurrent("LSTM of 128 units, then GRU of 64", keras.layers.LSTM, keras.layers.GRU, dense=(32, 16))
