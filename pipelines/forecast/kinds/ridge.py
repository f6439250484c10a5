"""`ridge`: the filter and the linear path over it, which every network starts from, alone."""

from pipelines.forecast.forecaster import Forecaster

FORECASTER = Forecaster(meaning="the filter and a ridge regression of what is known at the bar, alone", train=None)
