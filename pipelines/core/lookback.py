"""How much history a forecast reads of the markets at hand: `forecast.lookback_bars`, or less where these are short.

The pull decides it once, on the markets that it found, and every later stage reads what it decided. The forecaster
keeps it in its meta.json, which backtest, gate and bot read.
"""

from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pipelines.core.artifacts import read_json, write_json
from pipelines.core.params import Params
from pipelines.core.sections import LEAST_LOOKBACK_BARS

FILE: Final = "lookback.json"
ENOUGH: Final = 0.5
"""Share of the bars that must have the whole lookback before and the whole horizon after them."""


def fitting(bars_of_market: NDArray[np.int64], asked: int, horizon: int) -> int:
    """The lookback in bars: the one asked for, or the least one where most bars of these markets would have no window.

    With the least one the state-space filter, which needs no window, carries the forecast.
    """
    total = int(bars_of_market.sum())
    with_window = int(np.maximum(bars_of_market - (asked + horizon) + 1, 0).sum())
    return asked if with_window >= ENOUGH * total else min(asked, LEAST_LOOKBACK_BARS)


def with_lookback(params: Params, bars: int | None) -> Params:
    """The parameters with another lookback; None changes nothing."""
    if bars is None:
        return params
    return params.model_copy(update={"forecast": params.forecast.model_copy(update={"lookback_bars": bars})})


def write(folder: Path, params: Params) -> None:
    """Keep the lookback with the data that it was decided for."""
    write_json(folder / FILE, {"lookback_bars": params.forecast.lookback_bars})


def decided(params: Params, folder: Path) -> Params:
    """The parameters with the lookback that was kept with the data of a folder, where one was."""
    path = folder / FILE
    return with_lookback(params, int(read_json(path)["lookback_bars"]) if path.is_file() else None)
