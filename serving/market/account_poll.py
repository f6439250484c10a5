"""Who traded and who holds, asked of the Data API after each bar for every followed market whose model reads it."""

import asyncio
import time

from pipelines.core import log
from pipelines.core.domain import Market
from pipelines.features.order_flow import large_position
from pipelines.venue import data
from pipelines.venue.http import VenueHttp
from serving import metrics
from serving.market.feed import IDLE_S, Feed, Followed
from serving.market.order_flow import MarketFlow

HOLDERS_EVERY_S = 300
"""Seconds of market time between two questions for a market's holders."""
AT_ONCE = 4
"""Requests on their way at the same time."""

_log = log.get("accounts")


class AccountPoll:
    """Tells the order flow of a feed's markets who traded and who holds. What the venue does not answer is asked for
    again after the next bar."""

    def __init__(self, http: VenueHttp, feed: Feed, length_s: int) -> None:
        self._http = http
        self._feed = feed
        self._length_s = length_s
        self._slots = asyncio.Semaphore(AT_ONCE)

    async def run(self) -> None:
        """Ask after each bar until cancelled; nothing is asked while no model reads order flow."""
        closed_s, closed_at, due_at = 0, 0.0, 0.0
        while True:
            await asyncio.sleep(IDLE_S)
            ts_s, at = self._feed.closed
            if ts_s != closed_s:
                # The venue tells who traded some seconds late, and it counts at the next close: half a bar leaves time
                # for both, also where market time runs faster than the wall.
                due_at = at + (min(at - closed_at, float(self._length_s)) / 2.0 if closed_s else 0.0)
                closed_s, closed_at = ts_s, at
            if time.perf_counter() >= due_at:
                await asyncio.gather(*(self._ask(one.market, flow, ts_s) for one, flow in self._due(ts_s)))

    def _due(self, ts_s: int) -> list[tuple[Followed, MarketFlow]]:
        """The markets that were not asked about since the bar that closed at `ts_s`."""
        flows = [(one, one.flow) for one in self._feed.followed.values()]
        return [(one, flow) for one, flow in flows if flow is not None and flow.asked_s < ts_s]

    async def _ask(self, market: Market, flow: MarketFlow, ts_s: int) -> None:
        flow.asked_s = ts_s
        try:
            async with self._slots:
                flow.tell(await data.trades(self._http, market, flow.counted_s, ts_s), ts_s)
                if flow.held is None or ts_s - flow.held[0] >= HOLDERS_EVERY_S:
                    flow.held = ts_s, large_position(*await data.holders(self._http, market))
        except Exception as error:
            _log.warning("no accounts", market=market.market_id, error=repr(error))
            metrics.API_ERRORS.labels("accounts").inc()
