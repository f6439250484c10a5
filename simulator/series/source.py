"""Series markets as a source of the venue: a second of market time per step."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from pipelines.core.errors import ParameterError
from pipelines.core.money import SHARE_GRID
from pipelines.core.venue_dates import AVERAGES_S, CRYPTO_HELD_S
from simulator.markets.events import EPOCH_S
from simulator.markets.source import SourceOptions
from simulator.markets.timeline import MarketLife, Timeline, TimelineMarkets
from simulator.series.kinds import LENGTHS_S, Series
from simulator.series.underlying import Underlying
from simulator.series.windows import Window, windows_from

STEP_S: Final = 1
LADDER: Final = (-0.002, -0.001, 0.0, 0.001, 0.002)
"""Levels of a ladder, relative to the price when it begins."""
BEGINS_S: Final = CRYPTO_HELD_S
"""Series begin after the venue's last change, so that by their dates they have today's rules and taker delay."""
FIRST_S: Final = 7_200
"""The first window begins this long after the prices, because averages and volatility need earlier ones."""
RULES: Final = {"spot": 0} | {f"twap{seconds}": seconds for seconds in AVERAGES_S}
"""Name of a rule -> seconds of its average."""


class SeriesMarkets(TimelineMarkets):
    """Windows of some series, each listed before it begins (`kinds.OPENS_BEFORE_S`): there is always a next one."""

    step_s = STEP_S

    def __init__(self, series: Sequence[Series], seed: int, now_s: int, begins_s: int = EPOCH_S) -> None:
        self.series = tuple(series)
        self.now_s = now_s
        self._seed = seed
        self.underlyings = {one.symbol: Underlying(seed, one.symbol, begins_s) for one in series}
        self._timeline = Timeline(STEP_S)
        first_s = begins_s + FIRST_S
        self._next = [-(-first_s // one.length_s) * one.length_s for one in self.series]
        self._extend()
        self._timeline.reveal(now_s)

    def _extend(self) -> None:
        for place, one in enumerate(self.series):
            while self._next[place] - one.opens_before_s <= self.now_s:
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


def parse(text: str, lag_s: int, misquotes_h: float = 0.0) -> tuple[Series, ...]:
    """Series named like `btc-5m,eth-15m,btc-1h,btc-ladder`; without an asset it is Bitcoin's. A rule after the length
    (`5m-spot`, `15m-twap30`) takes the place of the one that the venue had on the day.

    Raises:
        ParameterError: naming what is no series, or is named twice.
    """
    made: list[Series] = []
    for name in filter(None, (part.strip().lower() for part in text.split(","))):
        one = _series(name, lag_s, misquotes_h)
        if one is None:
            raise ParameterError(
                f"--series was {text!r}: {name!r} is no series; give {', '.join(LENGTHS_S)} or ladder, before it an"
                f" asset (eth-5m), after a length other than 1h a rule ({', '.join(RULES)}: 5m-spot)"
            )
        if any((one.symbol, one.length, one.strikes) == (own.symbol, own.length, own.strikes) for own in made):
            raise ParameterError(f"--series was {text!r}: {name!r} is a series that is there already; leave one out")
        made.append(one)
    if not made:
        raise ParameterError("--series names no series; give some such as 5m,15m,1h")
    return tuple(made)


def _series(name: str, lag_s: int, misquotes_h: float) -> Series | None:
    words = name.split("-")
    rule = RULES.get(words.pop()) if words[-1] in RULES else None
    kind, asset = words.pop() if words else "", "-".join(words)
    ladder = kind == "ladder"
    if not (ladder or kind in LENGTHS_S) or (asset and not asset.isalnum()):
        return None
    length, strikes = ("1h", LADDER) if ladder else (kind, ())
    made = Series(asset.upper() or "BTC", length, rule, lag_s, strikes, misquotes_h)
    return None if made.candle and rule is not None else made


def open_source(options: SourceOptions) -> SeriesMarkets:
    """The series that the options name, at their first market time or at `resume_s`.

    Raises:
        ParameterError: if a name is no series, or bars of another length are asked for.
    """
    if options.bar_length_s not in (None, STEP_S):
        raise ParameterError(f"--bar-length-s was {options.bar_length_s}: series markets step by seconds")
    begins_s = BEGINS_S
    if options.resume_s is not None and options.resume_s < BEGINS_S:
        begins_s = EPOCH_S  # a state that was saved when series began at the epoch keeps its markets
    first_s = begins_s + options.history_days * 86_400
    now_s = first_s if options.resume_s is None else max(options.resume_s, first_s)
    series = parse(options.series, options.series_lag_s, options.series_misquotes_h)
    return SeriesMarkets(series, options.seed, now_s, begins_s)
