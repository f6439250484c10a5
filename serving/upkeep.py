"""What goes on between the bars: listing, headlines, resolutions, and our own trades as the venue tells them."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import TypeVar

from pipelines.core import log
from pipelines.core.domain import Market
from pipelines.core.errors import OddsmithError, VenueError, VenueForbidden, VenueUnavailable
from pipelines.core.money import MICRO
from pipelines.core.params import Params
from pipelines.venue import resolutions
from pipelines.venue.channel import Frame
from pipelines.venue.clob_gateway import ClobGateway
from pipelines.venue.gamma_rows import Odd
from pipelines.venue.http import VenueHttp
from pipelines.venue.listing_facts import UNKNOWN, ListingFacts
from pipelines.venue.stream import Resolution
from pipelines.venue.user_stream import Disconnected, FillUpdate, OrderUpdate, UserStream, UserUpdate
from pipelines.venue.wanted import Why, unwanted
from serving import metrics
from serving.account import settlement
from serving.account.trading_account import TradingAccount
from serving.dashboard.status import Known, Status
from serving.market import selection
from serving.market.feed import Feed
from serving.market.headlines import HeadlinePoller
from serving.safety.block import RETRY_S, Block
from serving.safety.feed_watch import FeedWatch
from serving.threads import Threads

LOOK_EVERY_S = 1.0
"""Wall seconds between two looks at headlines and resolutions (less where bars are shorter)."""

MONEY_EVERY_S = 5.0
"""Wall seconds between two looks at payments and payouts."""

ASK_EVERY_S = 10.0
"""Most wall seconds between two questions about one undecided market."""

_log = log.get("upkeep")

T = TypeVar("T")


class Upkeep:
    """Keeps the followed markets and the account up to date while turns are taken."""

    def __init__(
        self,
        params: Params,
        account: TradingAccount,
        feed: Feed,
        news: HeadlinePoller,
        listing: VenueHttp,
        exchange: VenueHttp,
        archive: VenueHttp,
        status: Status,
        block: Block,
        threads: Threads,
    ) -> None:
        self._params = params
        self._account = account
        self._feed = feed
        self._news = news
        self._listing = listing
        self._exchange = exchange
        self._archive = archive
        self._status = status
        self._block = block
        self._threads = threads
        self._watch = FeedWatch(feed, status, block)
        self._accepting: set[str] = set()
        self._questions: dict[str, tuple[int, float]] = {}
        """Market id -> how often it was asked about, and the monotonic time of the next question."""
        self._gaps = (0, 0)
        self._scanned_at = float("-inf")
        self._looked_at = float("-inf")
        self._differed = False
        self._named: set[str] = set()
        self._facts: Mapping[str, ListingFacts] = {}
        self._judge_anew = False

    def resolved(self, message: Resolution) -> None:
        """The stream says that a market is decided: what it pays is asked of the Data API."""
        self._accepting.discard(message.market_id)
        self._questions[message.market_id] = (0, 0.0)

    def remember(self, market: Market) -> None:
        """A market is described otherwise than before (tick, fee, end): account, gateway and journal learn it."""
        self._account.accounting.know(market)
        self._account.gateway.know([market])

    async def begin(self) -> tuple[list[Market], int]:
        """Choose what to follow; the markets with the venue's market time. What is held needs no listing.

        Raises:
            VenueError: if the listing cannot be read and nothing is held, or no market has a book.
        """
        await self._attempt("settlement", self._ask_about_held)
        found = await self._attempt("listing", self._read_listing)
        held = self._held()
        if found is None and not held:
            raise VenueUnavailable(self._status.alarm_of("listing") or "the listing cannot be read")
        markets = [*held, *(found or [])]
        now_s = await selection.market_time_s(self._exchange, markets)
        await self._choose(found or [], now_s)
        self._scanned_at = time.monotonic() if found is not None else float("-inf")
        return markets, now_s

    def take_limits(self, params: Params) -> None:
        """Follow the markets that other parameters want: the listing is read at the next look, and every market is
        judged as if it were new."""
        self._params = params
        self._judge_anew = True
        self._scanned_at = float("-inf")

    async def run(self) -> None:
        """Look every second until cancelled; a venue that does not answer is an alarm, not an end.

        Raises:
            VenueForbidden: if the venue has blocked us for long.
        """
        while True:
            self._watch.look()
            await asyncio.sleep(LOOK_EVERY_S)
            await self._news.poll([one.market for one in self._feed.followed.values()])
            gaps = (self._feed.gaps, self._feed.stream.unread.messages)
            if gaps != self._gaps and self._feed.connected:
                self._gaps = gaps
                self._question(self._held())
            await self._attempt("settlement", self._answer_questions)
            await self._attempt("payments", self._look_at_money)
            if time.monotonic() - self._scanned_at >= self._params.serving.rescan_s:
                self._scanned_at = time.monotonic()
                if await self._attempt("listing", self._rescan) is None:
                    self._scanned_at += RETRY_S - self._params.serving.rescan_s

    async def _attempt(self, part: str, work: Callable[[], Awaitable[T]]) -> T | None:
        """The result of a part of the upkeep; None, with an alarm, where the venue does not answer it."""
        try:
            result = await work()
        except VenueForbidden as error:
            metrics.API_ERRORS.labels(part).inc()
            self._status.alarm(part, str(error))
            if self._block.seen(error):
                raise
            return None
        except VenueError as error:
            metrics.API_ERRORS.labels(part).inc()
            self._status.alarm(part, str(error))
            return None
        self._status.clear_alarm(part)
        return result

    # The listing

    def _held(self) -> list[Market]:
        """The markets of which any share is held: each is asked for its payout, also for less than can be sold."""
        return self._known(self._account.accounting.held_markets())

    def _known(self, market_ids: Iterable[str]) -> list[Market]:
        markets = self._account.accounting.markets
        return [markets[name] for name in sorted(market_ids) if name in markets]

    async def _read_listing(self) -> list[Market]:
        odd: list[Odd] = []
        limit = selection.to_read(self._params.markets, self._params.serving.max_markets)
        facts: dict[str, ListingFacts] = {}
        markets = await selection.listed(self._listing, self._held(), odd, limit, facts)
        self._facts = facts
        self._accepting = {market.market_id for market in markets}
        self._name(odd)
        self._question(market for market in self._held() if market.market_id not in self._accepting)
        return markets

    def _name(self, odd: Sequence[Odd]) -> None:
        """Say which rows of the listing were left out, each once in the log."""
        left_out = [one for one in odd if one.left_out]
        for one in odd:
            if str(one) not in self._named:
                self._named.add(str(one))
                _log.warning("odd row of the listing", row=one.name, reason=one.reason, left_out=one.left_out)
        metrics.LISTING_LEFT_OUT.set(len(left_out))
        if left_out:
            shown = "; ".join(str(one) for one in left_out[:3])
            self._status.alarm("rows", f"{len(left_out)} rows of the listing were left out: {shown}")
        else:
            self._status.clear_alarm("rows")

    async def _rescan(self) -> bool:
        await self._choose(await self._read_listing(), self._feed.market_s or 0)
        if self._feed.followed:
            self._status.clear_alarm("nothing")
        else:
            self._status.alarm("nothing", "the venue lists no market that takes orders: nothing is followed")
        return True

    async def _choose(self, listed: Sequence[Market], now_s: int) -> None:
        """Follow the positions, what is followed already, and the listing up to the limit."""
        followed = [one.market for one in self._feed.followed.values()]
        why = self._unwanted(listed, now_s)
        wanted = [market for market in listed if not why[market.market_id]]
        positions = self._known(self._account.accounting.positions)
        chosen = selection.choose(wanted, followed, positions, now_s, self._params.serving.max_markets)
        await self._feed.follow(chosen)
        self._status.listed = len(listed)
        self._status.not_followed = selection.not_followed(listed, chosen, why, now_s)
        now = [one.market for one in self._feed.followed.values()]
        for market in now:
            self._account.accounting.know(market)
        self._account.gateway.know(now)

    def _unwanted(self, listed: Sequence[Market], now_s: int) -> dict[str, Why | None]:
        """Market id -> why params.yaml does not want it followed; None where it does."""
        rules = self._params.markets
        followed = () if self._judge_anew else self._feed.followed
        self._judge_anew = False
        return {
            name: unwanted(market, rules, now_s, self._facts.get(name, UNKNOWN), is_followed=name in followed)
            for name, market in ((one.market_id, one) for one in listed)
        }

    # Resolutions

    def _question(self, markets: Iterable[Market]) -> None:
        for market in markets:
            self._questions.setdefault(market.market_id, (0, 0.0))

    async def _ask_about_held(self) -> bool:
        self._question(self._held())
        return await self._answer_questions()

    async def _answer_questions(self) -> bool:
        """Ask what decided markets pay; one that takes orders is not asked about again, the others are."""
        for market_id, (tries, due) in list(self._questions.items()):
            if time.monotonic() < due:
                continue
            market = self._account.accounting.markets.get(market_id)
            held = self._account.accounting.held(market_id) or self._account.execution.busy(market_id)
            if market is None or not held or market_id in self._account.accounting.redeemable:
                del self._questions[market_id]
                continue
            wait_s = min(LOOK_EVERY_S * 2.0 ** min(tries, 8), ASK_EVERY_S)
            self._questions[market_id] = (tries + 1, time.monotonic() + wait_s)
            paid = await resolutions.payout_yes_micro(self._archive, market)
            if paid is not None:
                await self._settle(market_id, paid)
            if paid is not None or market_id in self._accepting:
                del self._questions[market_id]
        return True

    async def _settle(self, market_id: str, payout_yes_micro: int) -> None:
        """Book what a decided market pays. The Data API says it; the stream's message only names a winner."""
        ts_s = self._feed.market_s or self._account.accounting.markets[market_id].end_s or 0
        received = await self._threads.in_account_thread(self._account.settle, market_id, payout_yes_micro, ts_s)
        self._status.announcer.settled(self._account.accounting.markets[market_id], received)
        _log.info("settled", market=market_id, payout_yes=payout_yes_micro / MICRO, received_pusd=received / MICRO)

    # Payments

    async def _look_at_money(self) -> bool:
        """While books and venue differ, read the payments; see whether what is redeemable has been paid. A difference
        that is new is looked at without delay: most are a payout that has just come."""
        differs = self._account.differs
        new, self._differed = differs and not self._differed, differs
        if not new and time.monotonic() - self._looked_at < MONEY_EVERY_S:
            return True
        self._looked_at = time.monotonic()
        if self._account.differs:
            await settlement.read_flows(self._account, self._archive)
        if self._account.accounting.redeemable:
            await self._threads.in_account_thread(self._account.collect, self._feed.market_s or 0)
        return True

    # Our own trades

    async def listen(self, ws_url: str) -> None:
        """Book our own trades as the stream reports them; after a gap, or a message that cannot be read, the venue's
        lists are read."""
        gateway, execution = self._account.gateway, self._account.execution
        if not isinstance(gateway, ClobGateway):
            return
        execution.stream_is(up=False)
        stream = UserStream(ws_url, gateway.credentials, gateway.fills)
        async for frames in stream.batches():
            known = await self._threads.in_account_thread(self._hear, stream, frames)
            if known is not None:
                self._status.show_fills(self._account, known)

    def _hear(self, stream: UserStream, frames: list[Frame]) -> Known | None:
        """Take a batch of messages, in the account's thread; what the picture shows where a fill was booked. What the
        venue says of several trades is booked at once: a trade tells three steps of its settlement, and each would be a
        commit of the journal."""
        trades: list[FillUpdate] = []
        for frame in frames:
            update = stream.read(frame)
            if isinstance(update, FillUpdate):
                trades.append(update)
            elif isinstance(update, OrderUpdate):
                self._account.execution.hear_of(update.order_id, update.kind, update.matched_micro)
            elif update is not None:
                self._guard(partial(self._hear_trades, trades))
                trades = []
                self._guard(partial(self._hear_of_stream, update))
        self._guard(partial(self._hear_trades, trades))
        known = self._status.read(self._account) if trades else None
        return known if known is not None and known.booked else None

    def _guard(self, hearing: Callable[[], None]) -> None:
        try:
            hearing()
        except VenueForbidden:
            raise
        except OddsmithError as error:
            metrics.API_ERRORS.labels("user").inc()
            self._status.alarm("user", str(error))

    def _hear_trades(self, trades: Sequence[FillUpdate]) -> None:
        self._account.execution.hear_all((one.fills, one.status) for one in trades)

    def _hear_of_stream(self, update: UserUpdate) -> None:
        execution = self._account.execution
        execution.stream_is(up=not isinstance(update, Disconnected))
        if not isinstance(update, Disconnected):
            execution.sync()
