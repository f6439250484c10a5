"""Series markets as a source of the venue: a second of market time per step."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from pipelines.core.errors import ParameterError
from pipelines.core.money import SHARE_GRID
from simulator.markets.events import EPOCH_S
from simulator.markets.source import SourceOptions
from simulator.markets.timeline import MarketLife, Timeline, TimelineMarkets
from simulator.series.kinds import LENGTHS_S, Series
from simulator.series.underlying import Underlying
from simulator.series.windows import OPENS_BEFORE_S, Window, windows_from

STEP_S: Final = 1
LADDER: Final = (-0.002, -0.001, 0.0, 0.001, 0.002)
"""Levels of a ladder, relative to the price when it begins."""
FIRST_S: Final = 7_200
"""The first window begins this long after the epoch, because averages and volatility need earlier prices."""


class SeriesMarkets(TimelineMarkets):
    """Windows of some series, each listed `OPENS_BEFORE_S` before it begins, so that there is always a next one."""

    step_s = STEP_S

    def __init__(self, series: Sequence[Series], seed: int, now_s: int, from_s: int | None = None) -> None:
        self.series = tuple(series)
        self.now_s = now_s
        self._seed = seed
        self.underlyings = {one.symbol: Underlying(seed, one.symbol) for one in series}
        self._timeline = Timeline(STEP_S)
        first_s = max(EPOCH_S + FIRST_S, now_s if from_s is None else from_s)
        self._next = [-(-first_s // one.length_s) * one.length_s for one in self.series]
        self._extend()
        self._timeline.reveal(now_s)

    def _extend(self) -> None:
        for place, one in enumerate(self.series):
            while self._next[place] - OPENS_BEFORE_S <= self.now_s:
                made = windows_from(one, self._next[place], self.underlyings[one.symbol], self._seed)
                self._timeline.accept((_life(window) for window in made), ())
                self._next[place] += one.length_s


def _life(window: Window) -> MarketLife:
    return MarketLife(
        listing=window.listing,
        stream=window.stream,
        payout_micro=window.payout_micro,
        bid=window.bid_units.astype(np.int16),
        ask=window.ask_units.astype(np.int16),
        bid_size=(window.bid_size_micro // SHARE_GRID).astype(np.int32),
        ask_size=(window.ask_size_micro // SHARE_GRID).astype(np.int32),
        volume_micro=window.volume_micro // SHARE_GRID * SHARE_GRID,
        n_trades=window.n_trades.astype(np.int16),
    )


def parse(text: str, lag_s: int) -> tuple[Series, ...]:
    """Series named like `btc-5m,eth-15m,btc-1h,btc-ladder`; without an asset it is Bitcoin's.

    Raises:
        ParameterError: naming what is no series.
    """
    made = []
    for name in filter(None, (part.strip().lower() for part in text.split(","))):
        asset, _, kind = name.rpartition("-")
        if kind not in (*LENGTHS_S, "ladder"):
            raise ParameterError(f"--series was {text!r}: {name!r} is no series; give {', '.join(LENGTHS_S)} or ladder")
        symbol = asset.upper() or "BTC"
        ladder = kind == "ladder"
        average_s = 30 if kind == "5m" else 60
        made.append(Series(symbol, "1h" if ladder else kind, average_s, lag_s, LADDER if ladder else ()))
    if not made:
        raise ParameterError("--series names no series; give some such as 5m,15m,1h")
    return tuple(made)


def open_source(options: SourceOptions) -> SeriesMarkets:
    """The series that the options name, at their first market time or at `resume_s`.

    Raises:
        ParameterError: if a name is no series, or bars of another length are asked for.
    """
    if options.bar_length_s not in (None, STEP_S):
        raise ParameterError(f"--bar-length-s was {options.bar_length_s}: series markets step by seconds")
    first_s = EPOCH_S + options.history_days * 86_400
    now_s = first_s if options.resume_s is None else max(options.resume_s, first_s)
    return SeriesMarkets(parse(options.series, options.series_lag_s), options.seed, now_s, EPOCH_S)
