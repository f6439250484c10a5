"""The faults of a venue: switch them on and off, run schedules, and apply them to the parts of the venue."""

import random
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from pipelines.core.errors import ParameterError
from simulator.engine.accounts import Account
from simulator.engine.markets import LiveMarket, MarketState
from simulator.engine.orders import Order
from simulator.faults.book_faults import QUOTES, crossed, quotes
from simulator.faults.catalog import ONCE, ONE_MARKET, Fault, parse
from simulator.faults.once import CASH_MOVES, change_market, move_cash
from simulator.faults.order_faults import OrderFaults
from simulator.faults.profiles import Profile
from simulator.faults.reference_faults import ReferenceFaults
from simulator.faults.resolution_faults import ResolutionFaults
from simulator.faults.schedule import TimedFault
from simulator.faults.stream_faults import StreamFaults
from simulator.faults.timetable import Timetable
from simulator.venue.market_maker import Levels
from simulator.venue.venue import Venue

POST_ONLY_S = 120.0
"""Wall seconds of post-only mode after a restart, unless the fault says otherwise."""

ANY_MARKET = "*"
"""`market` of a fault that applies to all markets."""

RESOLVING = ("resolve_early", "resolve_half", "decided_away")


class Faults:
    """The faults of one venue. All random choices come from one seed."""

    def __init__(self, venue: Venue, seed: int = 1, clock: Callable[[], float] | None = None):
        self.venue = venue
        self.clock = clock or time.time
        self.active: list[Fault] = []
        self.seed = seed
        self._random = random.Random(seed)  # noqa: S311 - reproducible faults, no secrets
        self._count = 0
        self.timetable = Timetable()
        self.close_sockets: list[Callable[[], None]] = []
        """Functions that close the WebSocket connections of all clients."""
        self.trading = OrderFaults(venue, self.active, self.strikes)
        self.resolutions = ResolutionFaults(venue, self.strikes, self._random)
        self.streams = StreamFaults(venue, self.active, self.strikes, self._random)
        self.references = ReferenceFaults(self.active, self.strikes)
        venue.market_maker.reshape = self._quotes
        venue.market_maker.decimals = self._decimals
        venue.hooks.blocked = lambda: any(fault.kind == "geoblock" for fault in self.active)
        venue.hooks.relayer_busy = lambda: self.strikes("relayer_busy") is not None
        venue.hooks.relayer_retired = lambda: self.strikes("contract_retired") is not None
        venue.hooks.relayer_fails = lambda: self.strikes("relayer_fails") is not None
        venue.hooks.shown_book = self._shown_book

    # -- switching

    def start(self, document: Any) -> Fault:
        """Switch a fault on. A fault that happens once happens now and does not stay on.

        Raises:
            ParameterError: if the fault is unknown or an option is wrong.
        """
        self._count += 1
        fault = parse(document, f"fault-{self._count}", self.clock(), self.venue.now_s)
        self._name_market(fault)
        if fault.kind in ONCE:
            self._happen(fault)
            return fault
        if fault.kind == "clock_skew":
            self.venue.skew_s = fault.number("skew_s", 30.0)
        self.active.append(fault)
        self._requote(fault)
        return fault

    def _name_market(self, fault: Fault) -> None:
        """Check the market that a fault names; draw one if it needs a market and names none."""
        markets = self.venue.exchange.markets
        if fault.market == ANY_MARKET and fault.kind not in ONCE:
            fault.market = ""
        elif fault.market and fault.market not in markets:
            raise ParameterError(f"market was {fault.market!r}; give the condition id of a listed market")
        elif not fault.market and fault.kind in ONE_MARKET and not fault.words.get("token"):
            fault.market = self._draw_market()

    def _draw_market(self) -> str:
        """A random open market, if possible one in which outside accounts have shares or orders.

        Raises:
            ParameterError: if no market is open.
        """
        exchange = self.venue.exchange
        held = {
            exchange.by_token[token].listing.market_id
            for account in exchange.accounts.values()
            if not account.internal
            for token in account.positions
        }
        held |= {order.market_id for order in exchange.orders.values() if not order.account.internal}
        choices = sorted(held & self.venue.open_markets) or sorted(self.venue.open_markets)
        if not choices:
            raise ParameterError("no market is open; name a market with `market`, or wait for the next listing")
        return self._random.choice(choices)

    def stop(self, name: str) -> bool:
        """Switch a fault off. Returns whether it was on."""
        found = [fault for fault in self.active if fault.name == name]
        for fault in found:
            self._end(fault)
        return bool(found)

    def clear(self) -> None:
        """Switch all faults off and drop all schedules."""
        self.timetable.clear()
        for fault in list(self.active):
            self._end(fault)

    def _end(self, fault: Fault) -> None:
        self.active.remove(fault)
        if fault.kind == "clock_skew":
            self.venue.skew_s = 0.0
        if fault.kind == "stale_balance":
            self.trading.balances.clear()
        if fault.kind == "restart":  # the venue comes back in post-only mode, as documented
            lasting_s = fault.number("post_only_s", POST_ONLY_S)
            own = {"for_min": lasting_s / 60} if "for_min" in fault.options else {"for_s": lasting_s}
            self.start({"fault": "post_only", **own})
        self._requote(fault)

    # -- schedules

    def script(self, path: Path) -> None:
        """Schedule the faults of a file by wall time, and use its seed.

        Raises:
            ParameterError: if the file cannot be read or an event is wrong.
        """
        self._random.seed(self.timetable.read(path, self.clock()))

    def load(self, events: Sequence[TimedFault]) -> None:
        """Schedule faults by market time, in minutes from now.

        Raises:
            ParameterError: if an event is wrong; then no event is scheduled.
        """
        self.timetable.load(events, self.venue.now_s)

    def use(self, found: Profile, seed: int = 1) -> None:
        """Switch to a profile: all faults and schedules before it end."""
        self.clear()
        self.seed = seed
        self._random.seed(seed)
        for document in found.always:
            self.start(document)
        self.timetable.follow(found, seed)

    def advance(self) -> None:
        """Start the scheduled faults that are due, end those whose time is over, and resolve postponed markets."""
        now, market_s = self.clock(), self.venue.now_s
        for event in self.timetable.due(now, market_s):
            self._start_if_possible(event)
        for fault in [f for f in self.active if f.until_s <= now or f.until_market_s <= market_s]:
            self._end(fault)
        if self.resolutions.waiting:
            self.resolutions.advance()

    def _start_if_possible(self, document: dict[str, Any]) -> None:
        """Start a scheduled fault; skip one that needs an open market if no market is open."""
        if self.venue.open_markets or document["fault"] not in ONE_MARKET:
            self.start(document)

    def strikes(self, *kinds: str, market_id: str = "", topic: str = "") -> Fault | None:
        """The first fault of these kinds that is on and strikes now; None if none does.

        Each call draws anew and uses up one `count`. With `market_id` only faults of that market are
        considered, with `topic` only those of that topic.
        """
        for fault in self.active:
            if fault.kind not in kinds or (market_id and not fault.covers(market_id)):
                continue
            if topic and not fault.concerns(topic):
                continue
            if fault.until_s <= self.clock() or fault.until_market_s <= self.venue.now_s:
                continue
            if fault.probability >= 1 or self._random.random() < fault.probability:
                if fault.left > 0:
                    fault.left -= 1
                    if fault.left == 0:
                        self._end(fault)
                return fault
        return None

    def choose(self, texts: Sequence[str]) -> str:
        """One of `texts`, drawn from the seed."""
        return self._random.choice(texts)

    # -- once

    def _happen(self, fault: Fault) -> None:
        if fault.kind in CASH_MOVES:
            move_cash(self.venue, fault)
            return
        market = self.venue.exchange.markets[fault.market]
        if fault.kind in ("tick_missed", "decided_away"):
            self._close_sockets()
        if fault.kind in RESOLVING:
            self.resolutions.resolve(market, fault, silent=fault.kind == "decided_away")
        else:
            change_market(self.venue, market, fault)

    def _close_sockets(self) -> None:
        for close in self.close_sockets:
            close()

    # -- books

    def _quotes(self, market: LiveMarket, levels: Levels) -> Levels:
        return quotes(self.active, market, levels, self.venue.now_s) if self.active else levels

    def _requote(self, fault: Fault) -> None:
        """Update the market maker's quotes after a fault of books began or ended."""
        if fault.kind not in QUOTES:
            return
        for market_id in sorted(self.venue.open_markets):
            market = self.venue.exchange.markets[market_id]
            if fault.covers(market_id) and market.state is MarketState.OPEN:
                self.venue.market_maker.refresh(market)

    def _decimals(self, market: LiveMarket) -> int:
        """Decimals of the shares of a noise trader who spends a sum; 0 if it buys a number of shares."""
        fault = self.strikes("spend_sums", market_id=market.listing.market_id) if self.active else None
        if fault is None:
            return 0
        wanted = int(fault.number("decimals", 0))
        return wanted if 4 <= wanted <= 6 else self._random.randint(4, 6)

    def _shown_book(self, market: LiveMarket, document: dict[str, Any]) -> dict[str, Any]:
        if self.active and self.strikes("crossed_snapshot", market_id=market.listing.market_id):
            return crossed(document)
        return document

    # -- for the API

    def obstruct(self, order: Order) -> None:
        """Refuse an order if a fault says so.

        Raises:
            Refused: with the venue's text.
        """
        if self.active:
            self.trading.obstruct(order)

    def balance(self, account: Account, asset: str) -> int:
        """A balance in base units as the venue shows it."""
        return self.trading.balance(account, asset)

    def refresh_balances(self, account: Account) -> None:
        """Show the current balances of an account again."""
        self.trading.refresh_balances(account)
