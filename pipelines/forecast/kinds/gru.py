"""`gru`: two GRU layers."""

import keras

from pipelines.forecast.recurrent import recurrent

FORECASTER = recurrent("two GRU layers", keras.layers.GRU, keras.layers.GRU)
