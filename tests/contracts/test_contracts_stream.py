"""What the stream says and what the archive says later are the same bars, to the base unit."""

import asyncio
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from pipelines.core import params
from pipelines.core.settings import Settings
from pipelines.pull import live
from pipelines.venue import gamma
from pipelines.venue.http import VenueHttp
from pipelines.venue.stream import MarketStream, QuoteUpdate, TradeUpdate

ROOT = Path(__file__).parents[2]
Key = tuple[str, int]


@dataclass
class Heard:
    """Bars as the stream gives them: last mid at or before each close, shares and trades within."""

    mids: dict[Key, int] = field(default_factory=dict)
    shares: Counter[Key] = field(default_factory=Counter)
    trades: Counter[Key] = field(default_factory=Counter)

    def take(self, update: Any) -> None:
        """Book an update into the minute that covers it."""
        if isinstance(update, QuoteUpdate):
            self.mids[update.market_id, -(-update.ts_ms // 60_000) * 60] = update.quote.mid_units
        elif isinstance(update, TradeUpdate):
            key = update.market_id, -(-update.ts_ms // 60_000) * 60
            self.shares[key] += update.shares_micro
            self.trades[key] += 1


async def listen(settings: Settings, seconds: float) -> tuple[Heard, int]:
    """What the stream said for a while, and the market time at the end."""
    heard = Heard()
    async with VenueHttp(settings.gamma_url) as listing, VenueHttp(settings.clob_url) as exchange:
        stream = MarketStream(settings.clob_ws_url, exchange, await gamma.tradable(listing, 50))

        async def follow() -> None:
            async for update in stream.updates():
                heard.take(update)

        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await follow()
    return heard, await live.market_time_s(settings)


@pytest.mark.slow
def test_live_bars_equal_the_pulled_ones(moving: Any) -> None:
    """Mid, volume and number of trades of every bar heard live equal those of a pull afterwards."""
    heard, now_s = asyncio.run(listen(moving.settings, 6))
    first = min(close for _, close in heard.mids) + 60
    pulled = asyncio.run(live.history(moving.settings, params.read(ROOT / "params.yaml"), first, now_s - 120))
    names = [market.market_id for market in pulled.markets]
    mids = dict(heard.mids)
    compared = 0
    bars = pulled.bars.whole()
    columns = (bars.code, bars.ts_s, bars.mid_units, bars.volume_micro, bars.n_trades)
    for code, close, mid, shares, trades in zip(*(column.tolist() for column in columns), strict=True):
        key = names[code], close
        mids.setdefault(key, mids.get((names[code], close - 60), -1))  # a quiet book is not repeated on the stream
        if mids[key] < 0:
            continue
        assert (mids[key], heard.shares[key], heard.trades[key]) == (mid, shares, trades)
        compared += 1

    assert compared > 50
