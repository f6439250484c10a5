"""Markets of a simulated venue in market time: listing, steps, tick changes, resolution; and accounts with cash."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable

from pipelines.core.domain import Headline
from pipelines.core.money import MICRO
from pipelines.core.venue_dates import taker_delay_ms
from simulator.engine.accounts import Account
from simulator.engine.exchange import Exchange
from simulator.engine.markets import LiveMarket, MarketState
from simulator.markets.labels import labels_of
from simulator.markets.source import Listing, MarketSource, Step, Tick
from simulator.venue.activity import Activity
from simulator.venue.hooks import Hooks
from simulator.venue.incentives import Incentives
from simulator.venue.market_maker import MarketMaker
from simulator.venue.options import TAKER_DELAYED, Options

FINE_TICK_UNITS = 10
"""Tick near the edges in price units of 1e-4: 0.001 once the price leaves [0.04, 0.96]."""

YIELD_EVERY = 100
"""Markets handled before other tasks may run."""


class VenueMarkets:
    """Markets, accounts and cash of a venue. `Venue` adds orders, API keys and everything that runs on wall time.

    Listeners in the `on_...` lists are called in the order in which they were added.
    """

    def __init__(self, options: Options, source: MarketSource):
        self.options = options
        self.source = source
        self.now_s = source.now_s
        """Market time in seconds: the end of the last step."""
        self.skew_s = 0.0
        """Error of the venue's wall clock in seconds (a fault sets it)."""
        self.exchange = Exchange(deposit_micro=options.deposit_pusd * MICRO, market_s=lambda: self.now_s)
        self.market_maker = MarketMaker(self.exchange)
        self.activity = Activity()
        self.incentives = Incentives(self.exchange, options.rebates, self._paid, source.step_s)
        self.wallets: dict[str, str] = {}
        """Account address (checksummed) by every wallet address it trades from, in lower case."""
        self.open_markets: set[str] = set()
        """Ids of markets that take orders."""
        self.markets_of_event: defaultdict[str, list[LiveMarket]] = defaultdict(list)
        self.event_positions: dict[str, int] = {}
        """Order in which events were listed, by slug."""
        self.headlines: list[Headline] = list(source.headlines())
        self.hooks = Hooks()
        self.on_listed: list[Callable[[LiveMarket], None]] = []
        self.on_redeemed: list[Callable[[LiveMarket, Account, int], None]] = []
        """Called for each outside holder after a resolution, with the base units paid; 0 if the holder must redeem."""
        self.on_reward: list[Callable[[Account, int, str], None]] = []
        self.on_resolved: list[Callable[[LiveMarket], None]] = []
        self.on_print: list[Callable[[LiveMarket, Tick], None]] = []
        self.on_tick_size: list[Callable[[LiveMarket, int], None]] = []
        self.on_step: list[Callable[[], None]] = []
        self.stepping = asyncio.Lock()
        """Held during a step. Whoever holds it sees the state between two steps, which is the one that can be saved."""
        self._list_past()

    # -- time

    def wall_s(self) -> float:
        """The venue's wall clock in seconds."""
        return time.time() + self.skew_s

    @property
    def now_ms(self) -> int:
        """Market time in milliseconds, as books and messages carry it."""
        return self.now_s * 1000

    # -- listing

    def _list_past(self) -> None:
        resolved = {market_id: (payout, when) for market_id, payout, when in self.source.resolutions()}
        for listing in self.source.listings():
            market = self._list(listing)
            if listing.market_id in resolved:
                market.state = MarketState.RESOLVED
                market.payout_yes_micro, market.resolved_s = resolved[listing.market_id]
                self.open_markets.discard(listing.market_id)

    def _list(self, listing: Listing) -> LiveMarket:
        known = listing.market_id in self.exchange.markets
        market = self.exchange.list_market(listing)
        if not known:
            self.event_positions.setdefault(listing.event_id, len(self.event_positions))
            self.markets_of_event[listing.event_id].append(market)
            self.open_markets.add(listing.market_id)
            market.rewards_micro = round(self.options.rewards_pusd * MICRO)
            market.taker_delay_s = self._taker_delay_s(listing)
            named = labels_of(self.options.source.seed, listing.market_id, self.options.named_share)
            market.labels = listing.labels or named
            if _protocol_v2(listing, self.options.protocol_v2_share):
                market.version = "v2"
        return market

    def _taker_delay_s(self, listing: Listing) -> float:
        stated_s = self.options.taker_delay_s
        if stated_s is not None:
            return stated_s if listing.category.lower() in TAKER_DELAYED else 0.0
        return taker_delay_ms(listing.category, listing.event_start_s) / 1_000 if listing.series else 0.0

    # -- accounts and cash

    def account_of(self, wallet: str) -> Account | None:
        """The account that trades from a wallet address; None if no account does."""
        address = self.wallets.get(wallet.lower())
        return self.exchange.accounts.get(address) if address else None

    def open_account(self, address: str) -> Account:
        """The account of an authenticated address; a new one gets the deposit."""
        known = address in self.exchange.accounts
        account = self.exchange.account(address)
        if not known:
            self.wallets[address.lower()] = address
            self.activity.deposit(account, self.exchange.deposit_micro, self.now_s)
        return account

    def deposit(self, account: Account, micro: int) -> None:
        """Credit pUSD that comes from outside."""
        self.exchange.deposit(account, micro)
        self.activity.deposit(account, micro, self.now_s)

    def withdraw(self, account: Account, micro: int) -> None:
        """Take pUSD out of an account, and cancel buys that it can no longer pay for.

        Raises:
            Refused: if the account has less than `micro`.
        """
        self.exchange.withdraw(account, micro)
        self.exchange.shed(account)
        self.activity.cash("WITHDRAWAL", account, micro, self.now_s, self.activity.reference("WITHDRAWAL", account))

    def pay(self, account: Account, kind: str, micro: int) -> None:
        """Pay a REWARD, MAKER_REBATE or TAKER_REBATE that comes from outside the exchange."""
        self.exchange.deposit(account, micro)
        self._paid(account, kind, micro, self.activity.reference(kind, account))

    def _paid(self, account: Account, kind: str, micro: int, reference: str) -> None:
        self.activity.cash(kind, account, micro, self.now_s, reference)
        if kind == "REWARD":
            for listener in self.on_reward:
                listener(account, micro, reference)

    # -- steps

    async def step(self) -> None:
        """Advance market time by one step: trades of the past step, new quotes, listings, resolutions, headlines."""
        async with self.stepping:
            await self._step()

    async def _step(self) -> None:
        step = self.source.advance()
        self.now_s = step.ts_s
        for listing in step.listed:
            self._announce(listing)
        for count, tick in enumerate(step.rows):
            self._apply(tick)
            # A step of thousands of markets takes long; requests must not wait for all of it.
            if count % YIELD_EVERY == YIELD_EVERY - 1:
                await asyncio.sleep(0)
        self._finish(step)
        for listener in self.on_step:
            listener()

    def _announce(self, listing: Listing) -> None:
        if listing.market_id not in self.exchange.markets:
            market = self._list(listing)
            for listener in self.on_listed:
                listener(market)

    def _apply(self, tick: Tick) -> None:
        market = self.exchange.markets.get(tick.market_id)
        if market is None:
            listing = next(x for x in self.source.listings() if x.market_id == tick.market_id)
            self._announce(listing)
            market = self.exchange.markets[tick.market_id]
        if market.state is not MarketState.OPEN:
            return
        self._refine(market, tick)
        # The trades happened during the step, so they meet the quote before this one. The informed trader acts at the
        # end of the step and compares outside orders with the new quote.
        for trade in tick.trades:
            self.market_maker.hit(market, trade)
        self.market_maker.quote(market, tick)
        for order in tick.informed:
            self.market_maker.take(market, order)
        for listener in self.on_print:
            listener(market, tick)

    def _refine(self, market: LiveMarket, tick: Tick) -> None:
        """Change to the fine tick when a quote needs it, as the venue does near 0 and 1; it never changes back."""
        if market.tick_pinned:
            return
        coarse = market.tick_units
        shown = [tick.bid_units, tick.ask_units, *(units for _, units, _ in tick.levels)]
        if coarse > FINE_TICK_UNITS and any(units % coarse for units in shown):
            self.change_tick(market, FINE_TICK_UNITS)

    def change_tick(self, market: LiveMarket, tick_units: int, *, said: bool = True) -> None:
        """Set a market's tick. `said` is False for the fault that sends no message about it."""
        old, market.tick_units = market.tick_units, tick_units
        if said:
            for listener in self.on_tick_size:
                listener(market, old)

    def _finish(self, step: Step) -> None:
        for market_id, payout in step.resolved:
            if self.hooks.postpone(self.exchange.markets[market_id], payout):
                self.close_market(market_id)
            else:
                self.resolve(market_id, payout)
        # A market whose resolution is late or unknown stops trading at its scheduled end all the same.
        for market_id in [m for m in self.open_markets if self.exchange.markets[m].listing.end_s <= self.now_s]:
            self.close_market(market_id)
        self.headlines.extend(step.headlines)
        self.incentives.sample(self.now_s)

    def open_quotes(self) -> None:
        """Post the market maker's first quotes, those of the last step of the history."""
        for market_id in sorted(self.open_markets):
            history = self.source.history(market_id)
            if len(history.ts_s):
                size = 1_000 * MICRO
                bid, ask = int(history.bid_units[-1]), int(history.ask_units[-1])
                tick = Tick(market_id, bid, ask, size if bid > 0 else 0, size if ask < 10_000 else 0)
                market = self.exchange.markets[market_id]
                self._refine(market, tick)
                self.market_maker.quote(market, tick)

    # -- the end of a market

    def close_market(self, market_id: str) -> None:
        """Stop taking orders in a market; resting ones are cancelled."""
        self.market_maker.withdraw(market_id)
        self.exchange.close(market_id)
        self.open_markets.discard(market_id)

    def resolve(self, market_id: str, payout_yes_micro: int) -> None:
        """Resolve a market to `payout_yes_micro` base units per YES share; no effect if it is resolved already."""
        market = self.exchange.markets[market_id]
        if market.state is MarketState.RESOLVED:
            return
        self.market_maker.withdraw(market_id)
        self.exchange.resolve(market_id, payout_yes_micro)
        market.resolution_status = ""
        self.open_markets.discard(market_id)
        self.redeem_all(market_id)
        for listener in self.on_resolved:
            listener(market)

    def redeem_all(self, market_id: str) -> None:
        """Pay the holders of a resolved market; without `auto_redeem` only the internal accounts are paid."""
        market = self.exchange.markets[market_id]
        for account in self.exchange.holders(market_id):
            if not account.internal and not self.options.auto_redeem:
                for listener in self.on_redeemed:
                    listener(market, account, 0)
                continue
            held = {t: account.shares(t) for t in (market.listing.token_yes, market.listing.token_no)}
            paid = self.exchange.redeem(account, market_id)
            if not account.internal:
                self.activity.redeem(account, market, held, paid, self.now_s)
                for listener in self.on_redeemed:
                    listener(market, account, paid)


def _protocol_v2(listing: Listing, share: float) -> bool:
    return int(listing.market_id[-4:], 16) < share * 0x10000
