"""`transformer`: two blocks of self-attention over the window."""

from pipelines.forecast.attention import build_attention
from pipelines.forecast.recurrent import trained_by_keras

FORECASTER = trained_by_keras("two blocks of self-attention with four heads of 16 units", build_attention)
