"""The order gateway of paper mode: the venue's quotes and trades, and an account that is nowhere else.

It is its own venue: it keeps cash and shares, takes displayed shares once, lets orders rest, and pays decided markets.
"""

import hashlib
import json
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass

from pipelines.core.domain import Bar, Fill, Market, Outcome, Quote, Side
from pipelines.core.errors import VenueError
from pipelines.core.money import market_buy_micro, notional_micro
from pipelines.core.orders import (
    NOTHING_TO_TAKE,
    CancelResult,
    OpenOrder,
    OrderGateway,
    OrderIntent,
    OrderType,
    PlaceResult,
    PlaceStatus,
    SignedOrder,
)
from pipelines.core.sections import ExecutionParams
from pipelines.trading import kernel, latency
from pipelines.trading.paper import (
    Look,
    Taken,
    Working,
    buys_yes,
    crosses,
    is_market_buy,
    join,
    match,
    rest,
    worst_units,
)


def _no_reference(market_id: str) -> float | None:
    return None


@dataclass(frozen=True, slots=True)
class _Resting:
    order: Working
    created_s: int


class PaperGateway(OrderGateway):
    """A paper account. An order takes what is marketable at once; the rest waits for the volume of the next bars, or is
    gone where the order is FAK.

    `quote` gives the newest YES quote of a market and its time, `fair` the probability of YES that its reference price
    implies (None without one), `wait` sleeps while an order is on its way, on `clock`. Safe to call from any thread.
    """

    account = "paper"

    def __init__(
        self,
        cash_micro: int,
        execution: ExecutionParams,
        quote: Callable[[str], tuple[Quote, int] | None],
        wait: Callable[[float], None] = time.sleep,
        fair: Callable[[str], float | None] = _no_reference,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._wait, self._clock = wait, clock
        self._turn = ((0, 0), 0.0)
        self._cash = cash_micro
        self._execution = execution
        self._quote = quote
        self._fair = fair
        self._markets: dict[str, Market] = {}
        self._shares: defaultdict[str, int] = defaultdict(int)
        self._fills: list[Fill] = []
        self._resting: dict[str, _Resting] = {}
        self._taken: defaultdict[str, Taken] = defaultdict(Taken)
        self._mutex = threading.RLock()

    # Orders

    def prepare(self, intent: OrderIntent) -> SignedOrder:
        """An order whose id is the hash of its content."""
        payload = asdict(intent)
        digest = hashlib.sha256(json.dumps(payload, sort_keys=True).encode()).hexdigest()
        return SignedOrder(f"0x{digest}", intent, payload)

    def place(self, order: SignedOrder) -> PlaceResult:
        """Fill what is marketable against the quote of the order's arrival (`latency`); what is left rests until it is
        cancelled, unless FAK."""
        intent, market = order.intent, self._markets.get(order.intent.market_id)
        if market is None:
            return PlaceResult(PlaceStatus.REJECTED, order.order_id, reason="no quote of this market is known")
        # The quote is read afterwards: what the book showed at the decision may be gone.
        arrives_s = latency.arrival_s(self._execution.latency_ms, intent, market)
        self._wait(max(arrives_s - self._since_turn_s(intent), 0.0))
        known = self._quote(intent.market_id)
        if known is None:
            return PlaceResult(PlaceStatus.REJECTED, order.order_id, reason="no quote of this market is known")
        quote, ts_s = known
        with self._mutex:
            self._taken[intent.market_id].see(quote)
            taken = self._taken[intent.market_id].copy()
            working = Working(order.order_id, intent, market, intent.shares_micro, 0, 0)
            if crosses(working, quote):
                return PlaceResult(PlaceStatus.REJECTED, order.order_id, reason="a post-only order crosses the book")
            fills = match(working, quote, self._execution, ts_s, taken)
            if not self._covers(working, -sum(fill.cash_micro for fill in fills)):
                return PlaceResult(PlaceStatus.REJECTED, order.order_id, reason="not enough balance")
            if intent.order_type is OrderType.FAK and not fills:
                return PlaceResult(PlaceStatus.REJECTED, order.order_id, reason=f"{NOTHING_TO_TAKE} with FAK order")
            self._taken[intent.market_id] = taken
            if intent.order_type is not OrderType.FAK:
                # As the backtest has it; later where the bar was decided late.
                self._rest(working, quote, max(ts_s, intent.ts_s + intent.after_ms / 1_000.0 + arrives_s))
            return self._accepted(order.order_id, fills)

    def _since_turn_s(self, intent: OrderIntent) -> float:
        """Seconds since the first order of a turn was sent. The latency of each counts from there, as in the backtest:
        orders of one turn are on their way together, though they are sent one after the other."""
        turn = (intent.ts_s, intent.after_ms)
        with self._mutex:
            now = self._clock()
            if self._turn[0] != turn:
                self._turn = (turn, now)
            return now - self._turn[1]

    def _covers(self, working: Working, spent_micro: int) -> bool:
        """Whether the account can back the whole order, filled or not, together with what rests already."""
        intent = working.intent
        if intent.side is Side.BUY:
            buys = [one.order for one in self._resting.values() if one.order.intent.side is Side.BUY]
            bound = sum(self._backing(order) for order in buys)
            needed = max(spent_micro + self._backing(working), notional_micro(intent.shares_micro, intent.price_units))
            if is_market_buy(intent):
                needed = max(spent_micro, market_buy_micro(intent.shares_micro, intent.price_units))
            return needed <= self._cash - bound
        sold = (one.order for one in self._resting.values() if one.order.intent.side is Side.SELL)
        bound = sum(order.left_micro for order in sold if order.intent.token_id == intent.token_id)
        return intent.shares_micro <= self._shares[intent.token_id] - bound

    def _backing(self, order: Working) -> int:
        """pUSD that the rest of a buy may still cost."""
        return notional_micro(order.left_micro, worst_units(order.intent, self._execution))

    def _rest(self, working: Working, quote: Quote, ts_s: float) -> None:
        if working.left_micro > 0:
            join(working, Look(quote, ts_s, self._fair(working.intent.market_id)), self._execution)
            self._resting[working.order_id] = _Resting(working, int(time.time()))

    def _accepted(self, order_id: str, fills: Sequence[Fill]) -> PlaceResult:
        for fill in fills:
            self._book(fill)
        return PlaceResult(
            PlaceStatus.ACCEPTED,
            order_id,
            "matched" if fills else "live",
            sum(fill.shares_micro for fill in fills),
            sum(notional_micro(fill.shares_micro, fill.price_units) for fill in fills),
            tuple(fill.fill_id for fill in fills),
        )

    def _book(self, fill: Fill) -> None:
        self._fills.append(fill)
        self._cash += fill.cash_micro
        self._shares[fill.token_id] += fill.shares_micro if fill.side is Side.BUY else -fill.shares_micro

    def cancel(self, order_ids: Sequence[str]) -> CancelResult:
        """Take resting orders back. What had come to one since the last look at it is filled first: at the venue the
        cancellation would have been too late for it."""
        with self._mutex:
            for order in [self._resting[one].order for one in order_ids if one in self._resting]:
                known = self._quote(order.intent.market_id)
                if known is not None:
                    self._taken[order.intent.market_id].see(known[0])
                    self._look(order, *known, 0)
            return self._drop(order_ids)

    def _drop(self, order_ids: Sequence[str]) -> CancelResult:
        gone = tuple(one for one in order_ids if self._resting.pop(one, None))
        return CancelResult(gone, {one: "the order does not rest" for one in order_ids if one not in gone})

    def cancel_all(self) -> CancelResult:
        """Take every resting order back."""
        with self._mutex:
            return self.cancel(list(self._resting))

    def open_orders(self) -> list[OpenOrder]:
        """What rests."""
        with self._mutex:
            return [_open(one) for one in self._resting.values()]

    def order(self, order_id: str) -> OpenOrder | None:
        """A resting order; None when it does not rest."""
        return next((one for one in self.open_orders() if one.order_id == order_id), None)

    def trades(self, after_s: int) -> list[Fill]:
        """Our fills at or after a market time."""
        with self._mutex:
            return [fill for fill in self._fills if fill.ts_s >= after_s]

    # Account

    def cash_micro(self) -> int:
        """Cash in base units."""
        return self._cash

    def shares_micro(self, token_id: str) -> int:
        """Balance of a token in base units."""
        return self._shares.get(token_id, 0)

    def merge(self, market: Market, shares_micro: int) -> None:
        """Turn pairs of YES and NO shares into pUSD, at once.

        Raises:
            VenueError: if fewer are held.
        """
        with self._mutex:
            if shares_micro > min(self._shares[token] for token in (market.token_yes, market.token_no)):
                raise VenueError(
                    f"{shares_micro / 1e6:g} pairs of {market.market_id} were to be merged, fewer are held"
                )
            for token in (market.token_yes, market.token_no):
                self._shares[token] -= shares_micro
            self._cash += shares_micro

    def know(self, markets: Iterable[Market]) -> None:
        """Remember ticks and fees."""
        self._markets |= {market.market_id: market for market in markets}

    def heartbeat(self) -> None:
        """Accepted: what rests here ends with the process."""

    # What a venue knows by itself

    def restore(self, cash_micro: int, fills: Iterable[Fill], settled_micro: Mapping[str, int]) -> None:
        """Take up the account of earlier sessions; nothing rests in it."""
        with self._mutex:
            self._cash = cash_micro + sum(settled_micro.values())
            for fill in fills:
                self._book(fill)
            for market_id in settled_micro:
                for token_id in self._tokens(market_id):
                    self._shares.pop(token_id, None)

    def _tokens(self, market_id: str) -> dict[str, Outcome]:
        return {fill.token_id: fill.outcome for fill in self._fills if fill.market_id == market_id}

    def fills_at_close(self) -> bool:
        """What rests is filled by closed bars."""
        return True

    def bars_closed(self, closed: Iterable[tuple[Bar, Quote]]) -> None:
        """Fill what rests from the bars. Half of a bar's volume came to each side, the queue's shares first."""
        with self._mutex:
            for bar, quote in closed:
                if bar.market_id in self._taken:
                    self._taken[bar.market_id].see(quote)
                    self._fill_resting(bar, quote)

    def _fill_resting(self, bar: Bar, quote: Quote) -> None:
        volume = {True: bar.volume_micro, False: bar.volume_micro}
        for order in [one.order for one in self._resting.values() if one.order.intent.market_id == bar.market_id]:
            bids = buys_yes(order.intent)
            filled = self._look(order, quote, bar.ts_s, volume[bids])
            volume[bids] = max(volume[bids] - 2 * filled, 0)

    def _look(self, order: Working, quote: Quote, ts_s: int, volume_micro: int) -> int:
        """Book what came to an order until now; its shares. A look that is not after the last one shows nothing: the
        order came to the book later, or the bar was looked at already."""
        if order.looked is None or ts_s <= order.looked.ts_s:
            return 0
        market_id = order.intent.market_id
        taken, fair = self._taken[market_id], self._fair(market_id)
        fills = rest(order, quote, self._execution, volume_micro, ts_s, taken, fair)
        for fill in fills:
            self._book(fill)
        if order.left_micro == 0:
            del self._resting[order.order_id]
        return sum(fill.shares_micro for fill in fills)

    def resolved(self, market_id: str, payout_yes_micro: int) -> None:
        """Pay what is held of a decided market, as the venue does, and drop its orders."""
        with self._mutex:
            self._drop([key for key, one in self._resting.items() if one.order.intent.market_id == market_id])
            for token_id, outcome in self._tokens(market_id).items():
                direction = 1 if outcome is Outcome.YES else -1
                held = self._shares.pop(token_id, 0)
                self._cash += kernel.settlement_micro(held, payout_yes_micro, direction)


def _open(resting: _Resting) -> OpenOrder:
    order, intent = resting.order, resting.order.intent
    matched = intent.shares_micro - order.left_micro
    named = (intent.market_id, intent.token_id, intent.outcome, intent.side, intent.price_units, intent.shares_micro)
    return OpenOrder(order.order_id, *named, matched, "live", resting.created_s)
