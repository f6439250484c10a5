"""What goes on between the bars: listing, headlines, resolutions, and our own trades as the venue tells them."""

import asyncio
from collections import deque

from pipelines.core import log
from pipelines.core.domain import Market, Outcome
from pipelines.core.errors import OddsmithError, VenueError, VenueForbidden
from pipelines.core.money import MICRO
from pipelines.core.params import Params
from pipelines.venue import gamma, resolutions
from pipelines.venue.clob_gateway import ClobGateway
from pipelines.venue.http import VenueHttp
from pipelines.venue.stream import Resolution
from pipelines.venue.user_stream import FillUpdate, Reconnected, UserStream
from serving import metrics
from serving.account.trading_account import TradingAccount
from serving.dashboard.status import Status
from serving.market import selection
from serving.market.feed import Feed
from serving.market.headlines import HeadlinePoller
from serving.threads import Threads

LOOK_EVERY_S = 1.0
"""Wall seconds between two looks at headlines and resolutions (less where bars are shorter)."""

_log = log.get("upkeep")


class Upkeep:
    """Keeps the followed markets and the account up to date while turns are taken."""

    def __init__(
        self,
        params: Params,
        account: TradingAccount,
        feed: Feed,
        news: HeadlinePoller,
        listing: VenueHttp,
        archive: VenueHttp,
        status: Status,
        threads: Threads,
    ) -> None:
        self._params = params
        self._account = account
        self._feed = feed
        self._news = news
        self._listing = listing
        self._archive = archive
        self._status = status
        self._threads = threads
        self._bars = 0
        self.resolved: deque[Resolution] = deque()

    def count_bar(self) -> None:
        """A bar has closed."""
        self._bars += 1

    async def run(self) -> None:
        """Look every second until cancelled; a venue that does not answer is an alarm, not an end."""
        while True:
            metrics.FEED_AGE.set(self._feed.age_s)
            await asyncio.sleep(LOOK_EVERY_S)
            try:
                await self._news.poll([one.market for one in self._feed.followed.values()])
                await self._settle_resolved()
                if self._bars >= self._params.serving.rescan_bars:
                    self._bars = 0
                    await self._rescan()
            except VenueForbidden:
                raise
            except VenueError as error:
                metrics.API_ERRORS.labels("listing").inc()
                self._status.alarm("listing", str(error))
            else:
                self._status.clear_alarm("listing")

    async def choose(self, markets: list[Market], now_s: int) -> None:
        """Follow what is held, what is followed already, and the listing up to the limit."""
        accounting = self._account.accounting
        held = [accounting.markets[market_id] for market_id in accounting.positions if market_id in accounting.markets]
        followed = [one.market for one in self._feed.followed.values()]
        chosen = selection.choose(markets, followed, held, now_s, self._params.serving.max_markets)
        for market in chosen:
            accounting.know(market)
        self._account.gateway.know(chosen)
        await self._feed.follow(chosen)

    async def _rescan(self) -> None:
        now_s = self._feed.market_s or 0
        await self.choose(await gamma.tradable(self._listing, selection.LISTED), now_s)
        accounting = self._account.accounting
        for market_id in accounting.positions:
            end_s = accounting.markets[market_id].end_s if market_id in accounting.markets else None
            if end_s is not None and end_s < now_s:
                await self._settle(market_id, now_s, None)

    async def _settle_resolved(self) -> None:
        while self.resolved:
            message = self.resolved[0]
            payout = {Outcome.YES: MICRO, Outcome.NO: 0, None: None}[message.winner]
            await self._settle(message.market_id, message.ts_ms // 1_000, payout)
            self.resolved.popleft()

    async def _settle(self, market_id: str, ts_s: int, payout_yes_micro: int | None) -> None:
        """Book what a decided market pays; asked of the Data API where the message named no winner."""
        accounting = self._account.accounting
        if not (accounting.held(market_id) or self._account.execution.busy(market_id)):
            return
        if payout_yes_micro is None:
            payout_yes_micro = await resolutions.payout_yes_micro(self._archive, accounting.markets[market_id])
        if payout_yes_micro is not None:
            received = await self._threads.in_account_thread(self._account.settle, market_id, payout_yes_micro, ts_s)
            _log.info("settled", market=market_id, payout_yes=payout_yes_micro / MICRO, received_pusd=received / MICRO)

    async def listen(self, ws_url: str) -> None:
        """Book our own trades as the stream reports them; after a gap the venue's lists are read."""
        gateway, execution = self._account.gateway, self._account.execution
        if not isinstance(gateway, ClobGateway):
            return
        async for update in UserStream(ws_url, gateway.credentials, gateway.fills).updates():
            try:
                if isinstance(update, FillUpdate):
                    await self._threads.in_account_thread(execution.hear, update.fills, update.status)
                elif isinstance(update, Reconnected) and not update.first:
                    await self._threads.in_account_thread(execution.sync)
            except VenueForbidden:
                raise
            except OddsmithError as error:
                metrics.API_ERRORS.labels("user").inc()
                self._status.alarm("user", str(error))
