"""`mlp`: two dense layers on the last two bars, which learn what depends on more than one input at a time."""

from pipelines.forecast.networks import DENSE_BARS, build_dense
from pipelines.forecast.recurrent import trained_by_keras

FORECASTER = trained_by_keras("two dense layers on the last two bars", build_dense, bars=DENSE_BARS)
