"""Fills of our own: orders meet the modelled book after their latency, and a gateway for paper trading around it."""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

from pipelines.core.domain import Fill, Market, Quote, Side
from pipelines.core.money import MICRO, SHARE_GRID, fee_micro, notional_micro
from pipelines.core.orders import CancelResult, OpenOrder, OrderIntent, PlaceResult, PlaceStatus, SignedOrder
from pipelines.core.sections import ExecutionParams
from pipelines.trading import kernel
from pipelines.trading.ledger import Ledger


@dataclass(slots=True)
class Working:
    """An order on its way or in the book: what is left, and bars until it arrives and until its rest is cancelled."""

    order_id: str
    intent: OrderIntent
    market: Market
    left_micro: int
    arrives_in: int
    ttl: int
    ahead_micro: int = -1
    """Shares that stand before it once it rests; -1 until it has met the book."""


def match(order: Working, quote: Quote, execution: ExecutionParams, ts_s: int) -> list[Fill]:
    """Fills of a marketable order against a YES quote: displayed size at the touch, modelled depth behind it."""
    intent, market = order.intent, order.market
    seen = quote.of(intent.outcome)
    side = 1 if intent.side is Side.BUY else -1
    touch, depth = (seen.ask_units, seen.ask_size_micro) if side > 0 else (seen.bid_units, seen.bid_size_micro)
    impact = kernel.impact_units(quote.spread_units, execution.impact_share)
    behind = kernel.shown_micro(execution.model_depth_shares * MICRO, quote.spread_units, market.tick_units)
    fills: list[Fill] = []
    while order.left_micro > 0:
        level = len(fills)
        price = kernel.level_units(touch, intent.price_units, side, level, market.tick_units, impact)
        if price < 0:
            break
        shares = min(order.left_micro, depth // SHARE_GRID * SHARE_GRID)
        depth = behind
        if shares <= 0:
            break
        order.left_micro -= shares
        fee = fee_micro(shares, price, market.fee.rate, market.fee.exponent)
        fill_id = f"{order.order_id}-{ts_s}-{level}"
        fills.append(
            Fill(
                fill_id,
                order.order_id,
                market.market_id,
                intent.token_id,
                intent.outcome,
                intent.side,
                price,
                shares,
                fee,
                ts_s,
            )
        )
    return fills


def rest(order: Working, quote: Quote, volume_micro: int, ts_s: int) -> list[Fill]:
    """Fills of an order that rests at its limit, from the volume of one bar: at the limit, as a maker, without fee."""
    intent, seen = order.intent, quote.of(order.intent.outcome)
    side = 1 if intent.side is Side.BUY else -1
    filled, order.ahead_micro = kernel.resting_fill(
        side, order.left_micro, intent.price_units, seen.bid_units, seen.ask_units, volume_micro, order.ahead_micro
    )
    order.left_micro -= filled
    if not filled:
        return []
    fill_id = f"{order.order_id}-{ts_s}-rest"
    named = (intent.market_id, intent.token_id, intent.outcome, intent.side)
    return [Fill(fill_id, order.order_id, *named, intent.price_units, filled, 0, ts_s)]


class PaperBook:
    """Working orders of one account, at most one per market, filled bar by bar.

    An order first takes what is marketable; what is left rests at its limit until its time is over. How long the queue
    before it is, nobody knows: `execution.queue` says which of three guesses counts.
    """

    def __init__(self, execution: ExecutionParams) -> None:
        self._execution = execution
        self.working: dict[str, Working] = {}
        self._count = 0

    def send(self, intent: OrderIntent, market: Market) -> Working:
        """Take an order; it meets the book `latency_bars` bars later."""
        self._count += 1
        order = Working(
            f"paper-{self._count}",
            intent,
            market,
            intent.shares_micro,
            self._execution.latency_bars,
            self._execution.order_ttl_bars,
        )
        self.working[market.market_id] = order
        return order

    def on_bar(self, market_id: str, quote: Quote, ts_s: int, volume_micro: int) -> list[Fill]:
        """Fills at the bar that just closed; an order that is filled or out of time leaves the book."""
        order = self.working.get(market_id)
        if order is None:
            return []
        if order.arrives_in > 1:
            order.arrives_in -= 1
            return []
        if order.ahead_micro < 0:
            fills = match(order, quote, self._execution, ts_s)
            order.ahead_micro = self._joined(order, quote)
        else:
            fills = rest(order, quote, volume_micro, ts_s)
        order.ttl -= 1
        if order.left_micro == 0 or order.ttl == 0:
            del self.working[market_id]
        return fills

    def _joined(self, order: Working, quote: Quote) -> int:
        seen = quote.of(order.intent.outcome)
        side, size = (1, seen.bid_size_micro) if order.intent.side is Side.BUY else (-1, seen.ask_size_micro)
        share = kernel.QUEUE_AHEAD[self._execution.queue]
        return kernel.queue_ahead(side, order.intent.price_units, seen.bid_units, seen.ask_units, size, share)

    def open_buys(self) -> dict[str, int]:
        """Market id -> pUSD that a working buy may still take, at its limit."""
        return {
            market_id: order.left_micro * order.intent.price_units // 10_000
            for market_id, order in self.working.items()
            if order.intent.side is Side.BUY
        }


class PaperGateway:
    """The order gateway of paper mode: live quotes, fills of our own at once, what does not fill is cancelled.

    `quote` gives the newest YES quote of a market and its time, `market` its description.
    """

    account = "paper"

    def __init__(
        self,
        cash_micro: int,
        execution: ExecutionParams,
        quote: Callable[[str], tuple[Quote, int] | None],
        market: Callable[[str], Market],
    ) -> None:
        self._ledger = Ledger(cash_micro)
        self._execution = execution
        self._quote = quote
        self._market = market
        self._fills: list[Fill] = []

    def prepare(self, intent: OrderIntent) -> SignedOrder:
        """An order whose id is the hash of its content."""
        payload = asdict(intent)
        digest = hashlib.sha256(json.dumps(payload, sort_keys=True).encode()).hexdigest()
        return SignedOrder(f"0x{digest}", intent, payload)

    def place(self, order: SignedOrder) -> PlaceResult:
        """Fill what is marketable against the newest quote."""
        known = self._quote(order.intent.market_id)
        if known is None:
            return PlaceResult(PlaceStatus.REJECTED, order.order_id, reason="no quote of this market is known")
        quote, ts_s = known
        intent = order.intent
        working = Working(order.order_id, intent, self._market(intent.market_id), intent.shares_micro, 1, 1)
        fills = match(working, quote, self._execution, ts_s)
        spent = -sum(fill.cash_micro for fill in fills)
        if max(spent, self._backing_micro(intent)) > self._ledger.cash_micro or not self._holds(intent):
            return PlaceResult(PlaceStatus.REJECTED, order.order_id, reason="not enough balance")
        for fill in fills:
            self._ledger.apply(fill, quote.mid_units, intent.reason)
        self._fills += fills
        return PlaceResult(
            PlaceStatus.ACCEPTED,
            order.order_id,
            "matched" if fills else "unmatched",
            sum(fill.shares_micro for fill in fills),
            sum(notional_micro(fill.shares_micro, fill.price_units) for fill in fills),
            tuple(fill.fill_id for fill in fills),
        )

    def _backing_micro(self, intent: OrderIntent) -> int:
        """What the venue wants in the account for the whole order, filled or not."""
        return notional_micro(intent.shares_micro, intent.price_units) if intent.side is Side.BUY else 0

    def _holds(self, intent: OrderIntent) -> bool:
        return intent.side is Side.BUY or self.shares_micro(intent.token_id) >= intent.shares_micro

    def cancel(self, order_ids: Sequence[str]) -> CancelResult:
        """Nothing rests, so nothing can be cancelled."""
        return CancelResult((), dict.fromkeys(order_ids, "the order does not rest"))

    def cancel_all(self) -> CancelResult:
        """Nothing rests."""
        return CancelResult(())

    def open_orders(self) -> list[OpenOrder]:
        """Nothing rests."""
        return []

    def order(self, order_id: str) -> OpenOrder | None:
        """Nothing rests."""
        return None

    def trades(self, after_s: int) -> list[Fill]:
        """Our fills after a market time."""
        return [fill for fill in self._fills if fill.ts_s > after_s]

    def cash_micro(self) -> int:
        """Cash in base units."""
        return self._ledger.cash_micro

    def shares_micro(self, token_id: str) -> int:
        """Balance of a token in base units."""
        held = 0
        for fill in self._fills:
            if fill.token_id == token_id:
                held += fill.shares_micro if fill.side is Side.BUY else -fill.shares_micro
        return held
