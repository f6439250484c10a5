"""Windows of a series: when they begin, their texts, the quotes of other traders ("the crowd"), and how they end.

The crowd knows the rule and the volatility, and quotes the probability that the price of `lag_s` seconds ago implies,
with an error of its own that reverts. Spread, sizes and the vanishing favourite are those of recorded 5- and 15-minute
books: a spread of 1.2 cents, moves of 1 cent a second in the middle, a favourite that can be bought at 94 % of times
120 s before the end, at 39 % 30 s before, at 1 % 20 s before.
"""

import hashlib
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.special import ndtr

from pipelines.core.domain import FeeSchedule, FloatArray
from pipelines.core.money import MICRO, PRICE_SCALE, SHARE_GRID
from simulator.markets.price_grid import IntArray
from simulator.markets.random_streams import generator
from simulator.markets.source import Listing
from simulator.series import misquotes
from simulator.series.kinds import Series
from simulator.series.texts import rule_text, titles
from simulator.series.underlying import Underlying

WINDOWS: Final = 1 << 57
"""Number of the random stream of windows; series and window are added to it."""
FEE: Final = FeeSchedule(0.07)
TICK_UNITS: Final = 100
SPREADS: Final = ((100, 0.86), (200, 0.10), (300, 0.04))
"""Spreads in price units with their frequencies; the mean is 1.2 cents."""
ERROR: Final = 0.03
"""Standard deviation of the crowd's error in log-odds. It is less than a cent, so nobody can earn more than costs on
it."""
ERROR_KEEPS: Final = 0.97
"""Share of the error that is left after a second."""
VANISHES: Final = ((0.06, 120.0), (0.61, 30.0), (0.99, 20.0), (1.0, 5.0))
"""Share of windows whose favourite has no offers any more, and the seconds before the end at which that is so."""
MOST: Final = 0.985
"""Most extreme probability that the crowd quotes; it keeps 1 cent for the unexpected."""
FAVOURITE: Final = 0.75
"""A side is a favourite from this probability on."""
SIZES: Final = (180.0, 1.1)
"""Median of the shares at the best price, and the standard deviation of their logarithm."""
TRADES_PER_S: Final = 0.4


@dataclass(frozen=True, slots=True)
class Window:
    """One market, a row per second from its first quote to its end; prices in 1e-4, sizes in base units."""

    listing: Listing
    stream: tuple[int, int]
    ts_s: IntArray
    bid_units: IntArray
    ask_units: IntArray
    bid_size_micro: IntArray
    ask_size_micro: IntArray
    volume_micro: IntArray
    n_trades: IntArray
    payout_micro: int
    fair: FloatArray
    """The true probability: what the crowd would quote without lag and error. For tests and measurements only."""


def windows_from(series: Series, begin_s: int, underlying: Underlying, seed: int) -> list[Window]:
    """The markets that begin at `begin_s`, a multiple of the length: one, or one for each strike."""
    base = underlying.prices(begin_s, begin_s + 1)[0]
    levels: list[float | None] = [round(float(base) * (1.0 + strike), 2) for strike in series.strikes]
    return [_window(series, begin_s, underlying, seed, rung, level) for rung, level in enumerate(levels or [None])]


def _window(series: Series, begin_s: int, underlying: Underlying, seed: int, rung: int, level: float | None) -> Window:
    end_s = begin_s + series.length_s
    first_s = begin_s - series.opens_before_s
    number = int.from_bytes(hashlib.sha256(f"{series.symbol}{series.length}{rung}".encode()).digest()[:3], "big")
    stream = WINDOWS | (number << 32) | ((begin_s // series.length_s) & 0xFFFFFFFF)
    source = generator(seed, stream)
    ts_s = np.arange(first_s, end_s, dtype=np.int64)
    fair, paid = _truth(series, underlying, begin_s, level, ts_s)
    seen = fair if series.lag_s == 0 else np.concatenate((np.full(series.lag_s, fair[0]), fair[: -series.lag_s]))
    shift, most = misquotes.drawn(series.misquotes_h, len(ts_s), (seed, stream))
    bid, ask = _quotes(seen, shift, end_s - ts_s, source)
    sizes = SIZES[0] * np.exp(SIZES[1] * source.standard_normal((2, len(ts_s))))
    sizes_micro = np.minimum(np.maximum(sizes, 5.0), most).astype(np.int64) * MICRO
    trades = source.poisson(TRADES_PER_S, len(ts_s)) * ((bid > 0) & (ask < PRICE_SCALE))
    volume = (trades * np.maximum(20.0 * np.exp(source.standard_normal(len(ts_s))), 1.0)).astype(np.int64) * MICRO
    return Window(
        listing=_listing(series, begin_s, seed, rung, level),
        stream=(seed, stream),
        ts_s=ts_s,
        bid_units=bid,
        ask_units=ask,
        bid_size_micro=np.where(bid > 0, sizes_micro[0], 0),
        ask_size_micro=np.where(ask < PRICE_SCALE, sizes_micro[1], 0),
        volume_micro=np.where(trades > 0, np.maximum(volume, trades * SHARE_GRID), 0),
        n_trades=trades.astype(np.int64),
        payout_micro=MICRO if paid else 0,
        fair=fair,
    )


def _truth(
    series: Series, underlying: Underlying, begin_s: int, level: float | None, ts_s: IntArray
) -> tuple[FloatArray, bool]:
    """Probability of YES at every second, and whether it pays."""
    average_s = series.averaged_s(begin_s)
    # A level settles on the close of the minute that begins at the listed end, as the venue's levels do.
    end_s = begin_s + series.length_s + (0 if level is None else 60)
    own = underlying.prices if series.candle else underlying.oracle
    first_s = int(ts_s[0]) - average_s
    path = own(first_s, end_s + 1)
    now = path[ts_s - first_s]
    variance = underlying.sigma(int(ts_s[0]), int(ts_s[-1]) + 1) ** 2
    start = float(own(begin_s - average_s, begin_s).mean()) if average_s else float(own(begin_s, begin_s + 1)[0])
    target = start if level is None else level
    final = float(own(end_s - average_s, end_s).mean()) if average_s else float(path[end_s - first_s])
    left = (end_s - ts_s).astype(np.float64)
    before = np.maximum(begin_s - ts_s, 0)
    share = np.minimum(left / average_s, 1.0) if average_s else np.ones(len(ts_s))
    sums = np.concatenate(([0.0], np.cumsum(path)))
    known_from = max(end_s - average_s, first_s) - first_s
    known = sums[np.maximum(ts_s - first_s, known_from)] - sums[known_from]
    mean = known / max(average_s, 1) + share * now
    horizon = np.where(left > average_s, left - average_s * 2.0 / 3.0, share * share * left / 3.0)
    aim = np.where(before > 0, now, target) if level is None else np.full(len(ts_s), target)
    horizon = np.where((before > 0) & (level is None), float(series.length_s), horizon)
    deviation = np.sqrt(variance * np.maximum(horizon, 1e-9))
    chance: FloatArray = ndtr(np.log(mean / aim) / deviation)
    return chance, bool(final >= target)


def _quotes(
    seen: FloatArray, shift: FloatArray, left_s: IntArray, source: np.random.Generator
) -> tuple[IntArray, IntArray]:
    """Bid and ask of the crowd on the tick; `shift` is what a maker that errs adds to the log-odds."""
    noise = ERROR * np.sqrt(1.0 - ERROR_KEEPS**2) * source.standard_normal(len(seen))
    error = np.empty(len(seen))
    last = ERROR * source.standard_normal()
    for k in range(len(seen)):
        last = ERROR_KEEPS * last + noise[k]
        error[k] = last
    held = np.clip(seen, 1.0 - MOST, MOST)
    odds = np.log(held / (1.0 - held)) + error + shift
    quoted = 1.0 / (1.0 + np.exp(-odds))
    widths, shares = zip(*SPREADS, strict=True)
    spread = source.choice(widths, size=len(seen), p=shares)
    bid = np.round((quoted * PRICE_SCALE - spread / 2.0) / TICK_UNITS).astype(np.int64) * TICK_UNITS
    bid = np.clip(bid, 0, PRICE_SCALE - TICK_UNITS)
    ask = np.clip(bid + spread, TICK_UNITS, PRICE_SCALE - TICK_UNITS)
    bid = np.minimum(bid, ask - TICK_UNITS)
    gone_s = float(np.interp(source.random(), [share for share, _ in VANISHES], [left for _, left in VANISHES]))
    gone = left_s <= gone_s
    ask = np.where(gone & (quoted >= FAVOURITE), PRICE_SCALE, ask)
    bid = np.where(gone & (quoted <= 1.0 - FAVOURITE), 0, bid)
    return bid, ask


def _listing(series: Series, begin_s: int, seed: int, rung: int, level: float | None) -> Listing:
    title, question, slug = titles(series, begin_s, level)
    names = {what: _hash(seed, slug, rung, what) for what in ("condition", "yes", "no")}
    return Listing(
        market_id=f"0x{names['condition'].hex()}",
        event_id=slug if level is None else f"{series.symbol.lower()}-above-{begin_s}",
        event_title=title,
        question=question,
        slug=slug,
        token_yes=str(int.from_bytes(names["yes"], "big")),
        token_no=str(int.from_bytes(names["no"], "big")),
        tick_units=TICK_UNITS,
        min_size_micro=5 * MICRO,
        fee=FEE,
        category="Crypto",
        start_s=begin_s - series.opens_before_s,
        end_s=begin_s + series.length_s,
        labels=("Yes", "No") if level is not None else ("Up", "Down"),
        description=rule_text(series, begin_s, level),
        event_start_s=begin_s,
        series=series.slug,
    )


def _hash(seed: int, slug: str, rung: int, what: str) -> bytes:
    return hashlib.sha256(f"oddsmith series {what} {seed} {slug} {rung}".encode()).digest()
