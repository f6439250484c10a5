"""Fills of our own: orders meet a quote and the depth modelled behind it, and what is left rests.

Backtest (`PaperBook`), paper trading (`paper_gateway`) and the comparison of live fills with the model share it.
"""

from dataclasses import dataclass, field
from typing import NamedTuple

from pipelines.core.domain import Fill, FillState, Market, Outcome, Quote, Side
from pipelines.core.money import MICRO, PRICE_SCALE, SHARE_GRID, fee_micro, market_buy_micro, notional_micro
from pipelines.core.orders import OrderIntent, OrderType
from pipelines.core.sections import ExecutionParams
from pipelines.trading import fill_model, kernel, latency
from pipelines.trading.risk import reserve_micro


class Look(NamedTuple):
    """What was seen of a market at a look at an order that rests."""

    quote: Quote
    ts_s: float
    """Market time."""
    fair: float | None
    """Probability of YES that a reference price implied; None without one."""


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
    """Shares ahead of it once it rests; -1 until it has met the book."""
    looked: Look | None = None
    """The last look at it while it rests."""


@dataclass(slots=True)
class Taken:
    """Shares that our orders took from one market's displayed levels, so that none is taken twice.

    A level is a YES price. What was taken counts until the level's display falls below it, as in `books.take`.
    """

    bids: dict[int, int] = field(default_factory=dict)
    asks: dict[int, int] = field(default_factory=dict)

    def see(self, quote: Quote) -> None:
        """A quote was observed: levels before its touch are gone, and no more is missing at the touch than it shows."""
        self.bids = {units: micro for units, micro in self.bids.items() if units <= quote.bid_units}
        self.asks = {units: micro for units, micro in self.asks.items() if units >= quote.ask_units}
        for side, touch, shown in (
            (self.bids, quote.bid_units, quote.bid_size_micro),
            (self.asks, quote.ask_units, quote.ask_size_micro),
        ):
            side[touch] = min(side.get(touch, 0), shown)

    def level(self, intent: OrderIntent, price_units: int) -> tuple[dict[int, int], int]:
        """The side of the YES book, and the YES price on it, that an order takes from at a price of its token."""
        side = self.asks if buys_yes(intent) else self.bids
        return side, price_units if intent.outcome is Outcome.YES else PRICE_SCALE - price_units

    def behind(self, intent: OrderIntent, touch_units: int, behind_micro: int) -> int:
        """Shares missing on the levels behind a touch of an order's token, up to the order's limit."""
        side, touch = self.level(intent, touch_units)
        first, last = sorted((touch, self.level(intent, intent.price_units)[1]))
        return sum(min(micro, behind_micro) for at, micro in side.items() if first <= at <= last and at != touch)

    def took(
        self, intent: OrderIntent, touch_units: int, touch_micro: int, step: int, behind_micro: int, shares_micro: int
    ) -> None:
        """A resting order got shares: those that were shown from the other side's touch to its limit, touch first."""
        price, free = touch_units, touch_micro
        while shares_micro > 0 and (intent.price_units - price) * step >= 0:
            side, at = self.level(intent, price)
            here = min(shares_micro, free)
            side[at] = side.get(at, 0) + here
            shares_micro, price = shares_micro - here, price + step
            side, at = self.level(intent, price)
            free = max(behind_micro - side.get(at, 0), 0)

    def without(self, quote: Quote, tick_units: int, behind_micro: int) -> Quote:
        """A quote without the shares that we took; emptied levels give way to modelled ones."""
        bid, bids = _left(self.bids, quote.bid_units, quote.bid_size_micro, -tick_units, behind_micro)
        ask, asks = _left(self.asks, quote.ask_units, quote.ask_size_micro, tick_units, behind_micro)
        return Quote(bid, ask, bids, asks)

    def copy(self) -> "Taken":
        """One to try an order on."""
        return Taken(dict(self.bids), dict(self.asks))


def _left(taken: dict[int, int], units: int, shown: int, step: int, behind: int) -> tuple[int, int]:
    """First level on the way from the touch that shows more than was taken, and how much more."""
    while 0 < units < PRICE_SCALE and 0 < shown < taken.get(units, 0) + SHARE_GRID:
        units, shown = units + step, behind
    inside = 0 < units < PRICE_SCALE
    return min(max(units, 0), PRICE_SCALE), max(shown - taken.get(units, 0), 0) if inside else 0


def behind_micro(market: Market, quote: Quote, execution: ExecutionParams) -> int:
    """Shares that every modelled level behind the touch shows."""
    return kernel.shown_micro(execution.model_depth_shares * MICRO, quote.spread_units, market.tick_units)


def worst_units(intent: OrderIntent, execution: ExecutionParams) -> int:
    """Worst price that a fill of an order is booked at: its limit, or what fills by trades make of it."""
    rests = intent.order_type is not OrderType.FAK and execution.queue == "evidence"
    adverse, side = execution.fill_adverse_units if rests else 0, 1 if intent.side is Side.BUY else -1
    return fill_model.booked_units(intent.price_units, side, 1.0, adverse)


def match(
    order: Working, quote: Quote, execution: ExecutionParams, ts_s: int, taken: Taken | None = None
) -> list[Fill]:
    """Fills of a marketable order against a YES quote: displayed size at the touch, modelled depth behind it.

    Levels give what they show less what was `taken` before, and remember what this order takes. A FAK buy spends its
    budget, so a price better than its limit gives it more shares than it asked for.
    """
    intent, market = order.intent, order.market
    spends, budget = is_market_buy(intent), market_buy_micro(intent.shares_micro, intent.price_units)
    seen = quote.of(intent.outcome)
    side = 1 if intent.side is Side.BUY else -1
    touch, depth = (seen.ask_units, seen.ask_size_micro) if side > 0 else (seen.bid_units, seen.bid_size_micro)
    impact = kernel.impact_units(quote.spread_units, execution.impact_share)
    behind = behind_micro(market, quote, execution)
    before = Taken() if taken is None else taken
    fills: list[Fill] = []
    level = 0
    while True:
        price = kernel.level_units(touch, intent.price_units, side, level, market.tick_units, impact)
        if price < 0 or depth < SHARE_GRID:
            break
        wanted = kernel.affordable_micro(budget, price) if spends else order.left_micro
        if wanted <= 0:
            break
        used, at = before.level(intent, touch + side * level * market.tick_units)
        shares = min(wanted, max(depth - used.get(at, 0), 0) // SHARE_GRID * SHARE_GRID)
        if shares > 0:
            used[at] = used.get(at, 0) + shares
            budget -= notional_micro(shares, price)
            order.left_micro = max(order.left_micro - shares, 0)
            fee = fee_micro(shares, price, market.fee.rate, market.fee.exponent)
            fills.append(_fill(f"{order.order_id}-{ts_s}-{level}", order, price, shares, fee, ts_s))
        depth = behind
        level += 1
    return fills


def buys_yes(intent: OrderIntent) -> bool:
    """Whether an order is on the bid side of the YES book: a purchase of YES, or a sale of NO."""
    return (intent.outcome is Outcome.YES) == (intent.side is Side.BUY)


def is_market_buy(intent: OrderIntent) -> bool:
    """Whether an order states the pUSD that it spends, and not shares."""
    return intent.order_type is OrderType.FAK and intent.side is Side.BUY


def crosses(order: Working, quote: Quote) -> bool:
    """Whether a post-only order would take, so that the venue refuses it."""
    if not order.intent.post_only:
        return False
    seen, limit = quote.of(order.intent.outcome), order.intent.price_units
    if order.intent.side is Side.BUY:
        return limit >= seen.ask_units
    return seen.bid_units > 0 and limit <= seen.bid_units


def join(order: Working, look: Look, execution: ExecutionParams) -> None:
    """An order comes to rest in a book: it joins the queue of its price, and fills are looked for from now on. How many
    shares are ahead of it nobody knows, `execution.queue` guesses."""
    quote = look.quote
    seen = quote.of(order.intent.outcome)
    side, size = (1, seen.bid_size_micro) if order.intent.side is Side.BUY else (-1, seen.ask_size_micro)
    limit, bid, ask = order.intent.price_units, seen.bid_units, seen.ask_units
    order.ahead_micro = kernel.queue_ahead(side, limit, bid, ask, size, kernel.ahead_share(execution.queue))
    order.looked = look


def rest(
    order: Working,
    quote: Quote,
    execution: ExecutionParams,
    volume_micro: int,
    ts_s: int,
    taken: Taken | None = None,
    fair: float | None = None,
) -> list[Fill]:
    """Fills of an order that rests at its limit, from one bar: at the limit, as a maker, without fee. `fair` is the
    probability of YES that a reference price implies now. What trades filled between two looks is booked worse than the
    limit, by what recorded fills lose more than the looks let expect (`fill_model.booked_units`).

    Levels give what they show less what was `taken` before, and remember what this order takes: a touch of shares that
    we took ourselves is no price that came to our limit.
    """
    intent, tick, before = order.intent, order.market.tick_units, Taken() if taken is None else taken
    behind = behind_micro(order.market, quote, execution)
    seen = before.without(quote, tick, behind).of(intent.outcome)
    side, touch, size = 1, seen.ask_units, seen.ask_size_micro
    if intent.side is Side.SELL:
        side, touch, size = -1, seen.bid_units, seen.bid_size_micro
    crossing = kernel.crossing_micro(side, intent.price_units, touch, tick, size, behind)
    if crossing > 0:
        crossing -= before.behind(intent, touch, behind)
    bid, ask, ahead = seen.bid_units, seen.ask_units, order.ahead_micro
    look = Look(quote, ts_s, fair)
    price = intent.price_units
    if execution.queue == "evidence" and crossing <= 0:
        touched, traded = _unseen(order, look, execution)
        filled = fill_model.filled_micro(fill_model.either(touched, traded), order.left_micro, SHARE_GRID)
        by_trades = fill_model.part_of_trades(touched, traded)
        price = fill_model.booked_units(price, side, by_trades, execution.fill_adverse_units)
    else:
        filled, order.ahead_micro = kernel.resting_fill(
            side, order.left_micro, intent.price_units, bid, ask, volume_micro, ahead, crossing
        )
    order.looked = look
    order.left_micro -= filled
    if not filled:
        return []
    before.took(intent, touch, size, side * tick, behind, filled)
    fill_id = f"{order.order_id}-{ts_s}-rest"
    return [_fill(fill_id, order, price, filled, 0, ts_s)]


def _unseen(order: Working, now: Look, execution: ExecutionParams) -> tuple[float, float]:
    """How likely the other side's touch came to the order between the last look and this one, and how likely trades
    took the queue before it (`fill_model.between_looks`). Moves the order up its queue."""
    if order.looked is None:
        return 0.0, 0.0
    intent, market, before = order.intent, order.market, order.looked
    side = 1 if intent.side is Side.BUY else -1
    first, last = before.quote.of(intent.outcome), now.quote.of(intent.outcome)
    sizes = [(one.bid_size_micro, one.ask_size_micro)[::side] for one in (first, last)]
    moved = _reference_units(intent, before.fair, now.fair)
    touched, traded, order.ahead_micro = fill_model.between_looks(
        side,
        intent.price_units,
        first.bid_units,
        first.ask_units,
        last.bid_units,
        last.ask_units,
        sizes[0][0],
        sizes[1][0],
        sizes[0][1],
        behind_micro(market, first, execution),
        behind_micro(market, last, execution),
        market.tick_units,
        float(now.ts_s - before.ts_s),
        float("inf") if market.end_s is None else float(market.end_s - before.ts_s),
        order.ahead_micro,
        fill_model.reference_score(execution.fill_reference_weight, moved, market.tick_units),
        execution.fill_weights,
        execution.fill_queue_weights,
        execution.fill_trade_share,
    )
    return touched, traded


def _reference_units(intent: OrderIntent, before: float | None, now: float | None) -> int:
    """How far the price that the reference implies moved towards an order; 0 where one look knew none."""
    if before is None or now is None:
        return 0
    fell = round((before - now) * PRICE_SCALE)
    return fell if buys_yes(intent) else -fell


def _fill(fill_id: str, order: Working, price_units: int, shares_micro: int, fee_micro: int, ts_s: int) -> Fill:
    """A fill of an order; on paper nothing is left to be settled."""
    intent = order.intent
    return Fill(
        fill_id=fill_id,
        order_id=order.order_id,
        market_id=intent.market_id,
        token_id=intent.token_id,
        outcome=intent.outcome,
        side=intent.side,
        price_units=price_units,
        shares_micro=shares_micro,
        fee_micro=fee_micro,
        ts_s=ts_s,
        state=FillState.CONFIRMED,
    )


class PaperBook:
    """Working orders of one account, filled bar by bar: one per market, or the two quotes of a maker.

    An order first takes what is marketable; what is left of one that is not FAK rests at its limit until its time is
    over.
    """

    def __init__(self, execution: ExecutionParams, length_s: int) -> None:
        self._execution = execution
        self._length_s = length_s
        self.working: dict[str, list[Working]] = {}
        """Market id -> its orders; markets without one are left out."""
        self.reasons: dict[str, str] = {}
        """Order id -> why it was sent."""
        self._count = 0

    def send(
        self, intent: OrderIntent, market: Market, quote: Quote | None = None, fair: float | None = None
    ) -> Working:
        """Take an order; it meets the book of the first close after its arrival (`latency`), `latency_bars` bars later
        at the earliest. With the `quote` that it was decided on, an order of a maker that arrives within the bar joins
        that book's queue, and rests from then on; `fair` is the probability of YES that a reference price implied then.
        """
        self._count += 1
        # Bars are counted from the close before the decision.
        arrives_s = intent.after_ms / 1_000.0 + latency.arrival_s(self._execution.latency_ms, intent, market)
        order = Working(
            f"paper-{self._count}",
            intent,
            market,
            intent.shares_micro,
            latency.bars_until(arrives_s, self._length_s, self._execution.latency_bars),
            1 if intent.order_type is OrderType.FAK else self._execution.order_ttl_bars,
        )
        if quote is not None and intent.post_only and arrives_s < self._length_s and not crosses(order, quote):
            join(order, Look(quote, intent.ts_s + arrives_s, fair), self._execution)
            order.arrives_in = 1
        self.working.setdefault(market.market_id, []).append(order)
        self.reasons[order.order_id] = intent.reason
        return order

    def cancel(self, order: Working) -> None:
        """Ask for the end of an order. It may still be filled until the cancellation has arrived."""
        order.ttl = min(order.ttl, self._execution.latency_bars)

    def on_bar(
        self, market_id: str, quote: Quote, ts_s: int, volume_micro: int, fair: float | None = None
    ) -> list[Fill]:
        """Fills at the bar that just closed; an order that is filled or out of time leaves the book. `fair` is the
        probability of YES that a reference price implies at its close."""
        look = Look(quote, ts_s, fair)
        fills: list[Fill] = []
        left: list[Working] = []
        for order in self.working.get(market_id, ()):
            fills += self._met(order, look, ts_s, volume_micro)
            if order.left_micro > 0 and order.ttl > 0:
                left.append(order)
        if left:
            self.working[market_id] = left
        else:
            self.working.pop(market_id, None)
        return fills

    def _met(self, order: Working, look: Look, ts_s: int, volume_micro: int) -> list[Fill]:
        quote = look.quote
        if order.arrives_in > 1:
            order.arrives_in -= 1
            return []
        order.ttl -= 1
        if order.ahead_micro < 0 and crosses(order, quote):
            order.ttl = 0
            return []
        if order.ahead_micro >= 0:
            return rest(order, quote, self._execution, volume_micro, ts_s, fair=look.fair)
        fills = match(order, quote, self._execution, ts_s)
        join(order, look, self._execution)
        return fills

    def open_buys(self) -> dict[str, int]:
        """Market id -> pUSD that its working buys may still cost, at their limits and with the fee there."""
        found: dict[str, int] = {}
        for market_id, orders in self.working.items():
            for order in orders:
                if order.intent.side is Side.BUY:
                    worst = worst_units(order.intent, self._execution)
                    cost = reserve_micro(order.market, order.left_micro, worst)
                    found[market_id] = found.get(market_id, 0) + cost
        return found
