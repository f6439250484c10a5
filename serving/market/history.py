"""Bars before the first live one, from the Data API: the same routes that training pulled from."""

import numpy as np
from numpy.typing import NDArray

from pipelines.core.domain import Bar, Market, Tape
from pipelines.core.errors import VenueError
from pipelines.venue import data
from pipelines.venue.http import VenueHttp
from serving.market.windows import EXTRA_BARS, FILTER_BARS

IntArray = NDArray[np.int64]

DAY_S = 86_400


def exists(length_s: int) -> bool:
    """Whether the venue's history has bars of this length."""
    return length_s >= data.LEAST_BUCKET_S


async def grid_offset_s(http: VenueHttp, markets: list[Market], length_s: int, now_s: int) -> int:
    """Seconds after a multiple of the bar length at which this venue's bars close, read off a market's history.

    Raises:
        VenueError: if none of the markets has a history.
    """
    if not exists(length_s):
        return 0  # recorded frames are cut at multiples, and the venue's history says nothing of shorter bars
    for market in markets[:20]:
        times, _ = await data.price_history(http, market.token_yes, now_s - 200 * length_s, now_s, length_s)
        if len(times):
            return int(np.bincount(times % length_s).argmax())
    raise VenueError(f"none of {len(markets[:20])} open markets has a price history; is the Data API complete?")


async def last_mid_units(http: VenueHttp, market: Market, ts_s: int, length_s: int) -> int | None:
    """The newest price of a market's history before a time; None where it has none in the last day."""
    bucket_s = max(length_s, data.LEAST_BUCKET_S)
    _, prices = await data.price_history(http, market.token_yes, ts_s - DAY_S, ts_s, bucket_s)
    return int(prices[-1]) if len(prices) else None


async def history(
    http: VenueHttp,
    market: Market,
    first_live: Bar,
    lookback: int,
    length_s: int,
    max_gap_bars: int,
    *,
    reads_trades: bool = False,
) -> tuple[list[Bar], Tape]:
    """Contiguous bars that end with `first_live`, whose volume is completed from the trades of its whole bar; and the
    trades up to its close.

    Bars shorter than the venue's history has them begin with `first_live`: as in training, where recorded frames begin.
    Their trades are asked for only where `reads_trades`.
    """
    end_s = first_live.ts_s
    start_s = end_s - max(lookback + EXTRA_BARS, FILTER_BARS) * length_s
    if not exists(length_s):
        return [first_live], await data.trades(http, market, start_s, end_s) if reads_trades else Tape.empty()
    times, mids = await data.price_history(http, market.token_yes, start_s, end_s, length_s)
    tape = await data.trades(http, market, start_s, end_s)
    traded = tape.ts_s, tape.shares_micro
    return assemble(market.market_id, (times, mids), traded, first_live, length_s, max_gap_bars), tape


def assemble(
    market_id: str,
    prices: tuple[IntArray, IntArray],
    trades: tuple[IntArray, IntArray],
    first_live: Bar,
    length_s: int,
    max_gap_bars: int,
) -> list[Bar]:
    """Bars on the grid of `first_live`: price of the last point at or before each close, volume of the trades inside.

    Up to `max_gap_bars` missing bars repeat the last price; what lies before a longer gap is left out.
    """
    end_s = first_live.ts_s
    close = end_s + -((end_s - prices[0]) // length_s) * length_s
    mid_at = {int(ts): int(mid) for ts, mid in zip(close.tolist(), prices[1].tolist(), strict=True) if ts < end_s}
    mid_at[end_s] = first_live.mid_units
    volume: dict[int, int] = {}
    count: dict[int, int] = {}
    for ts, micro in zip(trades[0].tolist(), trades[1].tolist(), strict=True):
        bar_s = end_s + -((end_s - ts) // length_s) * length_s
        volume[bar_s] = volume.get(bar_s, 0) + micro
        count[bar_s] = count.get(bar_s, 0) + 1
    # The archive may be a little behind what was heard.
    volume[end_s] = max(volume.get(end_s, 0), first_live.volume_micro)
    count[end_s] = max(count.get(end_s, 0), first_live.n_trades)
    bars: list[Bar] = []
    for ts in sorted(mid_at):
        if bars and ts - bars[-1].ts_s > (max_gap_bars + 1) * length_s:
            bars.clear()
        while bars and bars[-1].ts_s + length_s < ts:
            bars.append(Bar(market_id, bars[-1].ts_s + length_s, bars[-1].mid_units, 0, 0, 0))
        book = (first_live.spread_units, first_live.bid_size_micro, first_live.ask_size_micro)
        seen = book if ts == end_s else (0, 0, 0)
        bars.append(Bar(market_id, ts, mid_at[ts], volume.get(ts, 0), count.get(ts, 0), *seen))
    return bars
