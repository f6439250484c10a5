"""The lookback of a forecast and the bars that must follow a training bar, both shorter where markets are short.

The lookback is `forecast.lookback_bars`, or 8 where most bars have no whole window. The whole horizon must follow a
training bar, or one bar where fewer than a tenth of the bars have the whole horizon.

The pull decides it once, on the markets that it found, and every later stage reads what it decided. The forecaster
keeps it in its meta.json, which backtest, gate and bot read.
"""

from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pipelines.core.artifacts import read_json, write_json
from pipelines.core.params import Params
from pipelines.core.sections import LEAST_LOOKBACK_BARS, ForecastParams

FILE: Final = "lookback.json"
ENOUGH: Final = 0.5
"""Share of the bars that must have the whole lookback before and the whole horizon after them."""
FEW: Final = 0.1
"""Share of the bars with a lookback below which those with the whole horizon are too few to learn from alone. The last
bars of markets add nothing where there are others, and with a third of the bars left they did harm."""


def fitting(bars_of_market: NDArray[np.int64], asked: int, horizon: int) -> int:
    """The lookback in bars: the one asked for, or the least one where most bars of these markets would have no window.

    With the least one the state-space filter, which needs no window, carries the forecast.
    """
    total = int(bars_of_market.sum())
    with_window = int(np.maximum(bars_of_market - (asked + horizon) + 1, 0).sum())
    return asked if with_window >= ENOUGH * total else min(asked, LEAST_LOOKBACK_BARS)


def least_ahead(bars_of_market: NDArray[np.int64], asked: int, lookback: int, horizon: int) -> int:
    """Bars that follow a bar that is learned from: those asked for, where 0 leaves it to the markets.

    Then it is the horizon; but where almost no bar that has a lookback has it too, as in markets of few bars, one is
    enough, and a bar is learned from at the horizons that its market has.
    """
    if asked > 0:
        return min(asked, horizon)
    with_lookback = int(np.maximum(bars_of_market - lookback, 0).sum())
    with_horizon = int(np.maximum(bars_of_market - (lookback + horizon) + 1, 0).sum())
    return horizon if with_horizon > 0 and with_horizon >= FEW * with_lookback else 1


def with_decided(params: Params, bars: int | None, ahead: int) -> Params:
    """The parameters with another lookback, None for their own, and the bars that follow one that is learned from."""
    update = {"lookback_bars": params.forecast.lookback_bars if bars is None else bars, "least_ahead_bars": ahead}
    return params.model_copy(update={"forecast": params.forecast.model_copy(update=update)})


def needed(params: Params) -> int:
    """Bars of the shortest run that is learned from, after the decision."""
    return params.forecast.lookback_bars + ahead_of(params.forecast)


def ahead_of(forecast: ForecastParams) -> int:
    """Bars that follow a bar that is learned from; the horizon where nothing was decided."""
    return min(forecast.least_ahead_bars or forecast.horizon_bars, forecast.horizon_bars)


def write(folder: Path, params: Params) -> None:
    """Keep what was decided with the data that it was decided for."""
    write_json(folder / FILE, {"lookback_bars": params.forecast.lookback_bars, "ahead_bars": ahead_of(params.forecast)})


def decided(params: Params, folder: Path) -> Params:
    """The parameters with what was kept with the data of a folder, where something was."""
    path = folder / FILE
    if not path.is_file():
        return params
    kept = read_json(path)
    return with_decided(params, int(kept["lookback_bars"]), int(kept.get("ahead_bars", params.forecast.horizon_bars)))
