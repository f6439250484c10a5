"""`ssm`: the state-space filter alone, without a linear path or a network over it."""

from pipelines.forecast.forecaster import Forecaster

FORECASTER = Forecaster(meaning="the state-space filter of news, flow and bounce, alone", train=None, linear=False)
