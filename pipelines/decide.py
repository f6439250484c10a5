"""The one function that turns what is known at a bar into an order or a named refusal.

Backtest, simulated, paper and live trading call it; they differ only in where the inputs come from and where the
order goes. It reads nothing else: no clock, no file, no random state.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from pipelines.core.domain import Direction, Market, Outcome, Position, Side
from pipelines.core.money import MICRO, PRICE_SCALE, SHARE_GRID
from pipelines.core.orders import OrderIntent, OrderType
from pipelines.core.sections import ExecutionParams, PolicyParams, RiskParams, SizingParams
from pipelines.trading import kernel, legs, observation, risk, sizing
from pipelines.trading.constraints import Basket
from pipelines.trading.policies.base import Inputs, Observation, Policy, Quotes, Target, held_direction
from pipelines.trading.predicted_variance import largest_fraction, predicted_units
from pipelines.trading.risk import Reason, Refusal
from pipelines.trading.threshold_rule import MOVE_STEPS, expected_units

__all__ = [
    "QUOTE",
    "Account",
    "Decision",
    "Inputs",
    "Reason",
    "Refusal",
    "Rules",
    "decide",
    "in_turn",
    "reserve",
    "takes_back",
]


QUOTE = "quote"
"""Reason of a maker's orders that rest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """The one cash account when a bar has closed; positions are marked to mid in `equity_micro`.

    `open_buy_micro` maps a market to the pUSD that working buys there may still take. `markets` describes at least
    the markets that are held or being bought.
    """

    cash_micro: int
    equity_micro: int
    positions: Mapping[str, Position]
    open_buy_micro: Mapping[str, int]
    markets: Mapping[str, Market]
    day_start_equity_micro: int
    peak_equity_micro: int
    kill: bool = False
    tripped: bool = False
    """Whether too many orders were sent: nothing is bought until a person releases the breaker."""
    paused: bool = False
    """Whether a person asked to open nothing."""
    closing: frozenset[str] = frozenset()
    """Ids of markets whose positions a person asked to sell."""

    def must_close(self, market_id: str) -> bool:
        """Whether a position is sold whatever the policy says, and nothing is bought there."""
        return self.kill or market_id in self.closing


@dataclass(frozen=True, slots=True)
class Rules:
    """The policy and the limits around it, fixed while a bundle trades."""

    policy: Policy
    table: sizing.SizingTable
    scaler: observation.MarketScaler | None
    risk: RiskParams
    sizing: SizingParams
    execution: ExecutionParams
    rule: PolicyParams
    bar_length_s: int
    horizon_bars: int
    pinned: bool = False
    """Whether a person put the policy in the place of the bundle's own."""

    @property
    def to_resolution(self) -> bool:
        """Whether the policy holds its positions until the market pays."""
        return bool(getattr(self.policy, "to_resolution", False))

    @property
    def rests(self) -> bool:
        """Whether entries rest at the touch of their own side."""
        return self.execution.entry == "rest" or bool(getattr(self.policy, "rests", False))

    @property
    def trades_legs(self) -> bool:
        """Whether entries are legs of baskets."""
        return bool(getattr(self.policy, "legs", False))

    @property
    def makes(self) -> bool:
        """Whether the policy quotes both sides of a market."""
        return bool(getattr(self.policy, "makes", False))

    @property
    def between_bars(self) -> bool:
        """Whether a move of the reference price between two closes is decided on."""
        # A leg needs all markets of its event, and a price may move some of them alone.
        acts = bool(getattr(self.policy, "acts_on_reference", False)) and not self.trades_legs
        return acts and self.bar_length_s <= self.execution.between_bars_up_to_s


@dataclass(frozen=True, slots=True)
class Decision:
    """What was decided on one bar. `action` is enter_long, enter_short, quote (the orders of a maker around what it
    holds), exit (a refused one too) or hold; `direction` and `fraction` are the policy's wish; `observation` is empty
    where the policy reads none."""

    ts_s: int
    market_id: str
    action: str
    direction: Direction
    fraction: float
    intent: OrderIntent | None
    refusal: Refusal | None
    confidence: float
    observation: tuple[float, ...]
    other: OrderIntent | None = None
    """The second quote of a maker; there is none without a first."""

    @property
    def intents(self) -> tuple[OrderIntent, ...]:
        """The orders that are asked for: none, one, or the two quotes of a maker."""
        return tuple(one for one in (self.intent, self.other) if one is not None)

    @property
    def wish(self) -> str:
        """`action`; for a refused entry, the entry that was refused."""
        if self.refusal is None or self.action == "exit" or self.direction is Direction.FLAT:
            return self.action
        return "enter_long" if self.direction is Direction.LONG else "enter_short"


def decide(inputs: Inputs, account: Account, rules: Rules) -> Decision:
    """Decide on a closed bar, or between it and the next: the order is meant to fill at the next one. At most one of
    intent and refusal is set."""
    position = account.positions.get(inputs.market.market_id)
    must_close = account.must_close(inputs.market.market_id)
    dust = position is not None and _is_left_alone(position, inputs.market, must_close)
    reads = rules.policy.reads_observation and inputs.warm
    observed = _observe(inputs, account, position, rules) if reads else None
    if inputs.warm:
        # Dust is invisible to the policy: it would ask for an exit that the venue refuses.
        target = rules.policy.target(inputs, None if dust else position, observed)
    else:
        # Without a warm window there is no forecast to act on, but stops and the market's end still close a position.
        target = Target(held_direction(position), 0.0)
    seen = () if observed is None else tuple(observed.tolist())
    # A reversal takes two bars: first the exit, and an entry on a later bar. So no order depends on another's fill.
    if position is not None and not dust:
        reason = _exit_reason(inputs, position, target, account, rules)
        if reason:
            return _exit(inputs, position, target, reason, seen, rules)
        if rules.trades_legs:
            return _unwind(inputs, position, account, target, seen, rules)
        quotes = rules.makes and target.quotes is not Quotes.ONE
        return _offer(inputs, position, account, target, seen, rules) if quotes else _hold(inputs, target, seen)
    if target.direction is Direction.FLAT or not inputs.warm:
        return _hold(inputs, target, seen)
    if rules.trades_legs:
        return _leg(inputs, account, target, seen, rules)
    return _enter(inputs, account, target, seen, rules)


def in_turn(seen: Iterable[Inputs], rules: Rules) -> list[Inputs]:
    """The markets of one bar in the order in which they are decided: as given, or with `execution.turn: move` by the
    size of their expected moves in round trips, the largest first. An order takes its room from those after it. For a
    policy that trades legs each has the markets of its event."""
    found = _with_siblings(list(seen)) if rules.trades_legs else list(seen)
    if rules.execution.turn == "id":
        return found
    return sorted(found, key=lambda one: -_round_trips(one, rules))


def _with_siblings(seen: list[Inputs]) -> list[Inputs]:
    """The markets of one bar, each with those of its event."""
    events: dict[str, list[Inputs]] = {}
    for one in seen:
        events.setdefault(one.market.event_id, []).append(one)
    return [replace(one, siblings=tuple(events[one.market.event_id])) for one in seen]


def _round_trips(inputs: Inputs, rules: Rules) -> float:
    move = expected_units(inputs.forecast.move_from_next(MOVE_STEPS), inputs.bar.mid_units)
    return abs(move) / max(_round_trip(inputs, rules), observation.LEAST_COST)


def takes_back(inputs: Inputs, account: Account, rules: Rules, outcome: Outcome, side: Side) -> bool:
    """Whether an order of a maker that rests is cancelled: its policy does not keep it, or the position has to be left,
    so that what is offered is free to be sold. Asked at every bar, and between bars with the newest prices."""
    if not rules.makes:
        return False
    market_id = inputs.market.market_id
    keeps = getattr(rules.policy, "keeps", None)
    if account.must_close(market_id) or keeps is None or not keeps(inputs, outcome, side):
        return True
    position = account.positions.get(market_id)
    if position is None or risk.is_dust(position, inputs.market) or not inputs.warm:
        return False
    target = rules.policy.target(inputs, position, None)
    return bool(_exit_reason(inputs, position, target, account, rules))


def _is_left_alone(position: Position, market: Market, must_close: bool) -> bool:
    """Whether a position is dust. What must be closed is sold as dust too: the venue has no minimum for a FAK sale."""
    return risk.is_dust(position, market) and not (must_close and kernel.sellable_micro(position.shares_micro) > 0)


def reserve(intent: OrderIntent | None, market: Market, open_buys: dict[str, int]) -> None:
    """Take what a buy may cost from the cash and room that the next markets of the same bar see."""
    if intent is not None and intent.side is Side.BUY:
        # A maker may buy both tokens of a market: each of its quotes takes its own part.
        cost = risk.reserve_micro(market, intent.shares_micro, intent.price_units)
        open_buys[intent.market_id] = open_buys.get(intent.market_id, 0) + cost


def _observe(inputs: Inputs, account: Account, position: Position | None, rules: Rules) -> Observation:
    market = inputs.standardised
    if market is None:
        assert rules.scaler is not None, "a policy that reads observations needs the scaler of its bundle"
        market = rules.scaler.market(inputs.features, inputs.sentiment)
    left = _seconds_left(inputs, rules)
    mid = inputs.bar.mid_units
    values = observation.portfolio(account.cash_micro, account.equity_micro, position, mid, left)
    block = observation.forecast_block(inputs.forecast, mid, _round_trip(inputs, rules))
    return observation.observe(market, values, block)


def _round_trip(inputs: Inputs, rules: Rules) -> float:
    fee, share = inputs.market.fee, rules.execution.impact_share
    spread, mid = inputs.quote.spread_units, inputs.bar.mid_units
    return kernel.round_trip_units(spread, mid, share, fee.rate, fee.exponent)


def _seconds_left(inputs: Inputs, rules: Rules) -> float:
    end = inputs.market.end_s
    return float(observation.DAY_S) if end is None else end - inputs.bar.ts_s - inputs.after_ms / 1_000.0


def _exit_reason(inputs: Inputs, position: Position, target: Target, account: Account, rules: Rules) -> str:
    """Why the position is to be closed; empty to keep it."""
    if account.kill:
        return Reason.KILL_SWITCH.value
    if account.must_close(inputs.market.market_id):
        return Reason.CLOSE_ASKED.value
    limits, quote, market = rules.risk, inputs.quote, inputs.market
    held = held_direction(position)
    # What is held until the market pays has no stops: its bet is the outcome, and the way there says nothing of it.
    if rules.to_resolution:
        return "" if target.direction is held else "exit"
    # Mids and not bids: a stop at the bid would trip on the spread that was paid at the entry.
    now = kernel.token_price(_fair(inputs), held)
    entry = kernel.token_price(position.entry_units, held)
    cost = _round_trip(inputs, rules)
    floor = risk.stop_floor(
        quote.spread_units,
        market.tick_units,
        cost,
        limits.stop_cost_multiple,
        predicted_units(inputs.forecast, inputs.bar.mid_units),
        limits.stop_deviations,
    )
    code = risk.stop_code(
        # The ledger marks peaks after the decision, so the current price has to be compared here.
        entry,
        max(position.peak_units, now),
        now,
        floor,
        limits.stop_loss,
        limits.take_profit,
        limits.trailing_stop,
    )
    if code:
        return risk.STOP_REASONS[code]
    if _seconds_left(inputs, rules) <= _closing_bars(rules.execution) * rules.bar_length_s:
        return Reason.MARKET_ENDING.value
    return "" if target.direction is held else "exit"


def _fair(inputs: Inputs) -> int:
    """The YES price that a position is worth now."""
    return inputs.reference_units or inputs.bar.mid_units


def _closing_bars(execution: ExecutionParams) -> int:
    """Bars before the scheduled end at which a position has to be sold: two tries before the last bar."""
    return 2 * execution.latency_bars + execution.order_ttl_bars


def _exit(
    inputs: Inputs, position: Position, target: Target, reason: str, seen: tuple[float, ...], rules: Rules
) -> Decision:
    market, bid = inputs.market, inputs.quote.of(position.outcome).bid_units
    floor = _exit_floor(inputs, position, rules.risk)
    refusal = _sale_refusal(position, bid, floor)
    if refusal is not None:
        return _decision(inputs, "exit", target, None, refusal, seen)
    # A band below the bid: a sale that is one tick late would rest, and a stop has to sell.
    limit = max(kernel.sell_limit(bid, market.tick_units, rules.execution.band_ticks), floor)
    intent = _intent(inputs, position.outcome, Side.SELL, limit, _for_sale(position, market), reason)
    return _decision(inputs, "exit", target, replace(intent, order_type=OrderType.FAK), None, seen)


def _for_sale(position: Position, market: Market) -> int:
    """Shares to offer, on the grid: those that the venue has confirmed, or all where these alone are too few."""
    confirmed = kernel.sellable_micro(position.shares_micro - position.provisional_micro)
    least = max(market.min_size_micro, SHARE_GRID)
    return confirmed if confirmed >= least else kernel.sellable_micro(position.shares_micro)


def _exit_floor(inputs: Inputs, position: Position, limits: RiskParams) -> int:
    """Lowest price of a sale; one tick where the book shows a price that can be trusted."""
    if kernel.is_trusted(inputs.quote.bid_units, inputs.quote.ask_units):
        return inputs.market.tick_units
    fair = kernel.token_price(_fair(inputs), held_direction(position))
    return kernel.exit_floor(
        fair,
        inputs.reference_age_s,
        inputs.market.tick_units,
        int(limits.exit_band * PRICE_SCALE),
        limits.exit_ladder_s,
        limits.exit_ladder_steps,
    )


def _sale_refusal(position: Position, bid_units: int, floor_units: int) -> Refusal | None:
    if bid_units <= 0:
        return Refusal(Reason.NO_BID, f"nobody bids for {position.outcome}: an offer at one tick would give it away")
    if bid_units < floor_units:
        detail = f"the best bid for {position.outcome} is {bid_units / PRICE_SCALE:g} in a book without a price"
        return Refusal(Reason.THIN_BOOK, f"{detail}; nothing is sold below {floor_units / PRICE_SCALE:g}")
    return None


def _offer(
    inputs: Inputs, position: Position, account: Account, target: Target, seen: tuple[float, ...], rules: Rules
) -> Decision:
    """The quotes around a position: what is held at the touch of its own side, and a bid for what its size lacks."""
    quote, market, shares = inputs.quote.of(position.outcome), inputs.market, _for_sale(position, inputs.market)
    if not quote.two_sided or shares < market.min_size_micro:
        return _hold(inputs, target, seen)
    limit = kernel.offer_limit(quote.ask_units, market.tick_units)
    offered = _resting(_intent(inputs, position.outcome, Side.SELL, limit, shares, QUOTE), rules)
    bid, _ = _bid(inputs, account, target, rules) if target.quotes is Quotes.BOTH else (None, None)
    return replace(_decision(inputs, "quote", target, offered, None, seen), other=bid)


def _unwind(
    inputs: Inputs, position: Position, account: Account, target: Target, seen: tuple[float, ...], rules: Rules
) -> Decision:
    """Sell what no other leg matches, once nothing of the event is bought any more."""
    buying = any(one.market.market_id in account.open_buy_micro for one in inputs.siblings)
    extra = 0 if buying else legs.unmatched_micro(inputs.event, account.positions, inputs.market.market_id)
    shares = min(kernel.sellable_micro(extra), _for_sale(position, inputs.market))
    if shares < max(inputs.market.min_size_micro, SHARE_GRID):
        return _hold(inputs, target, seen)
    made = _exit(inputs, position, target, "unwind", seen, rules)
    return made if made.intent is None else replace(made, intent=replace(made.intent, shares_micro=shares))


def _leg(inputs: Inputs, account: Account, target: Target, seen: tuple[float, ...], rules: Rules) -> Decision:
    """The order of one leg at the ask that was shown, where every leg of its basket may be bought in the same size."""
    basket: Basket | None = rules.policy.basket(inputs)  # type: ignore[attr-defined]
    own = {one.market.market_id for one in inputs.siblings}
    if basket is None or own & account.positions.keys():
        return _hold(inputs, target, seen)
    # Legs that were decided before this one on the same bar are part of the basket and no crowd for it.
    before = sum(micro for name, micro in account.open_buy_micro.items() if name in own)
    others = {name: micro for name, micro in account.open_buy_micro.items() if name not in own}
    alone = replace(account, open_buy_micro=others)
    refusal = _basket_refusal(inputs, basket, alone, rules)
    if refusal is not None:
        return _hold(inputs, target, seen, refusal)
    room = int(account.equity_micro * rules.risk.max_exposure_fraction) - risk.exposure_micro(account.positions, others)
    cap = min(rules.sizing.max_position_fraction, rules.risk.max_position_fraction) * target.fraction
    free = min(room, account.cash_micro - sum(others.values()))
    shares = legs.affordable_micro(basket, free, int(account.equity_micro * cap))
    one = next(each for each in basket.legs if each.market.market_id == inputs.market.market_id)
    budget = max(free - before, 0)
    refusals = (_size_refusal(shares, each.price_units, each.market, budget) for each in basket.legs)
    refusal = next((found for found in refusals if found is not None), None)
    if refusal is not None:
        return _hold(inputs, target, seen, refusal)
    intent = replace(_intent(inputs, one.outcome, Side.BUY, one.price_units, shares, "leg"), order_type=OrderType.FAK)
    return _decision(inputs, "enter_long" if target.direction > 0 else "enter_short", target, intent, None, seen)


def _basket_refusal(inputs: Inputs, basket: Basket, account: Account, rules: Rules) -> Refusal | None:
    """The first limit that forbids a leg, or all of them together."""
    by_id = {one.market.market_id: one for one in inputs.siblings}
    bought: dict[str, int] = dict(account.open_buy_micro)
    for one in basket.legs:
        target = Target(Direction.LONG if one.outcome is Outcome.YES else Direction.SHORT, 1.0)
        sibling = by_id[one.market.market_id]
        refusal = _entry_refusal(sibling, replace(account, open_buy_micro=bought), target, rules)
        if refusal is not None or not sibling.warm:
            return refusal or Refusal(Reason.STALE_QUOTE, f"{one.market.market_id[:12]} is not warm yet")
        bought[one.market.market_id] = 0
    return None


def _resting(intent: OrderIntent, rules: Rules) -> OrderIntent:
    lifetime_s = rules.execution.order_ttl_bars * rules.bar_length_s
    return replace(intent, order_type=OrderType.GTD, post_only=True, lifetime_s=lifetime_s)


def _enter(inputs: Inputs, account: Account, target: Target, seen: tuple[float, ...], rules: Rules) -> Decision:
    intent, refusal = _bid(inputs, account, target, rules)
    action, other = "enter_long" if target.direction > 0 else "enter_short", None
    if rules.makes and target.quotes is Quotes.BOTH:
        # Both quotes count against the limits, as if both were to fill.
        taken = dict(account.open_buy_micro)
        reserve(intent, inputs.market, taken)
        turned = target._replace(direction=Direction(-target.direction))
        other, _ = _bid(inputs, replace(account, open_buy_micro=taken), turned, rules)
    if intent is None:
        return _hold(inputs, target, seen, refusal)
    return replace(_decision(inputs, action, target, intent, None, seen), other=other)


def _bid(inputs: Inputs, account: Account, target: Target, rules: Rules) -> tuple[OrderIntent | None, Refusal | None]:
    """The purchase that a target asks for, or why there is none."""
    refusal = _entry_refusal(inputs, account, target, rules)
    if refusal is not None:
        return None, refusal
    outcome = Outcome.YES if target.direction > 0 else Outcome.NO
    market, limit = inputs.market, _entry_limit(inputs, outcome, rules)
    budget, refusal = _budget(inputs, account, target, rules)
    shares = 0
    if refusal is None:
        shares = kernel.shares_for(budget, limit, market.fee.rate, market.fee.exponent)
        refusal = _size_refusal(shares, limit, market, budget)
    if refusal is not None:
        return None, refusal
    intent = _intent(inputs, outcome, Side.BUY, limit, shares, QUOTE if rules.makes else "enter")
    return _resting(intent, rules) if rules.rests else replace(intent, order_type=OrderType.FAK), None


def _entry_limit(inputs: Inputs, outcome: Outcome, rules: Rules) -> int:
    quote, tick = inputs.quote.of(outcome), inputs.market.tick_units
    if rules.rests:
        return kernel.rest_limit(quote.bid_units, tick)
    return kernel.buy_limit(quote.ask_units, tick, rules.execution.band_ticks)


def _entry_refusal(inputs: Inputs, account: Account, target: Target, rules: Rules) -> Refusal | None:
    """The first limit that forbids an entry at any size."""
    limits, bar = rules.risk, inputs.bar
    if account.kill:
        return Refusal(Reason.KILL_SWITCH, "the kill switch is on: nothing is opened")
    if account.paused:
        return Refusal(Reason.PAUSED, "entries are paused: `oddsmith resume` allows them again")
    if account.must_close(inputs.market.market_id):
        return Refusal(Reason.CLOSE_ASKED, "the position here is being closed: nothing is bought until it is sold")
    if account.tripped:
        return Refusal(Reason.ORDER_BREAKER, "too many orders were sent: a person has to release the breaker")
    dust = account.positions.get(inputs.market.market_id)
    # A market buy leaves less than 0.01 share, which no order can ever sell: it keeps nobody from the other side.
    rest = 0 if dust is None else kernel.sellable_micro(dust.shares_micro)
    if dust is not None and rest > 0 and held_direction(dust) is not target.direction:
        detail = f"{dust.shares_micro / MICRO:g} {dust.outcome} shares are too few to sell"
        return Refusal(Reason.DUST, f"{detail}: only {dust.outcome} may be bought here")
    left = _seconds_left(inputs, rules) / rules.bar_length_s
    # The sizing table was measured on moves over the whole horizon; nearer to the end it promises nothing.
    needed = 1 if rules.to_resolution else rules.horizon_bars
    if left <= needed + rules.execution.latency_bars:
        return Refusal(Reason.MARKET_ENDING, f"{left:.0f} bars to the end, the forecast needs {needed}")
    if inputs.quote_age_s > limits.max_quote_age_s:
        detail = f"the quote is {inputs.quote_age_s} s old, the limit is {limits.max_quote_age_s} s"
        return Refusal(Reason.STALE_QUOTE, detail)
    # Near 0 and 1 a tick is a large part of the price, and log-odds moves are hardly moves in price.
    bound = rules.rule.min_price * 10_000
    if not bound <= bar.mid_units <= 10_000 - bound:
        return Refusal(Reason.PRICE_BOUNDS, f"mid {bar.mid_units / 10_000:g} is outside the bounds")
    bid, ask = inputs.quote.bid_units, inputs.quote.ask_units
    # A tape without costs has bid and ask at the mid. The live feed takes no such book for a price.
    if not 0 < bid <= ask < PRICE_SCALE:
        shown = f"bid {bid / PRICE_SCALE:g}, ask {ask / PRICE_SCALE:g}"
        return Refusal(Reason.PRICE_BOUNDS, f"the book shows no price: one side is missing, or it is crossed ({shown})")
    if rules.policy.uses_forecast and inputs.forecast.confidence < limits.min_confidence:
        detail = f"confidence {inputs.forecast.confidence:.3f} is below {limits.min_confidence:g}"
        return Refusal(Reason.CONFIDENCE, detail)
    loss = risk.loss_refusal(account.equity_micro, account.day_start_equity_micro, account.peak_equity_micro, limits)
    if loss is not None:
        return loss
    held, bought = account.positions, account.open_buy_micro
    if rules.makes:
        # A market is no crowd for its own second quote.
        held = {name: one for name, one in held.items() if name != inputs.market.market_id}
        bought = {name: micro for name, micro in bought.items() if name != inputs.market.market_id}
    return risk.crowd_refusal(inputs.market, held, bought, account.markets, limits)


def _budget(inputs: Inputs, account: Account, target: Target, rules: Rules) -> tuple[int, Refusal | None]:
    """pUSD for the entry: the cap times the wished fraction, within what exposure and cash leave."""
    params, equity = rules.sizing, account.equity_micro
    price = kernel.token_price(inputs.bar.mid_units, target.direction)
    deviation = predicted_units(inputs.forecast, inputs.bar.mid_units)
    largest = min(params.max_position_fraction, largest_fraction(price, deviation, params.max_deviation_fraction))
    if rules.policy.uses_forecast:
        full = rules.table.kelly
        confidence = inputs.forecast.confidence
        cap = sizing.cap_micro(equity, largest, params.kelly_fraction, full, confidence)
        if cap <= 0:
            return 0, Refusal(Reason.KELLY_NOT_POSITIVE, f"Kelly fraction {full:.3f} of {rules.table.signals} signals")
    else:
        cap = int(equity * largest)
    limit = int(equity * rules.risk.max_position_fraction)
    if limit <= 0:
        return 0, Refusal(Reason.POSITION_CAP, f"the cap per position is {rules.risk.max_position_fraction:g}")
    wish = int(min(cap, limit) * target.fraction)
    if rules.makes:
        wish = _missing(inputs.market.market_id, account, target, wish, limit)
    room = int(equity * rules.risk.max_exposure_fraction)
    room -= risk.exposure_micro(account.positions, account.open_buy_micro)
    # Less than a pUSD of room is none: the venue refuses such an order.
    if room < min(wish, MICRO):
        return 0, Refusal(Reason.EXPOSURE_CAP, f"{rules.risk.max_exposure_fraction:.0%} of equity is at stake")
    cash = account.cash_micro - sum(account.open_buy_micro.values())
    if cash < min(wish, MICRO):
        return 0, Refusal(Reason.NO_CASH, f"{cash / MICRO:.2f} pUSD are free")
    return min(wish, room, cash), None


def _missing(market_id: str, account: Account, target: Target, wish: int, limit: int) -> int:
    """What is missing of the wished size, within what a market's quotes and position leave of the cap."""
    position = account.positions.get(market_id)
    cost = 0 if position is None else position.cost_micro
    held = cost if position is not None and held_direction(position) is target.direction else 0
    return max(min(wish - held, limit - cost - account.open_buy_micro.get(market_id, 0)), 0)


def _size_refusal(shares: int, limit: int, market: Market, budget: int) -> Refusal | None:
    too_few = shares < market.min_size_micro
    if not too_few and shares * limit // 10_000 >= kernel.MIN_BUY_MICRO:
        return None
    return Refusal(Reason.BELOW_MINIMUM, f"{budget / MICRO:.2f} pUSD buy {shares / MICRO:g} shares: below the minimum")


def _intent(inputs: Inputs, outcome: Outcome, side: Side, limit: int, shares: int, reason: str) -> OrderIntent:
    market = inputs.market
    return OrderIntent(
        market_id=market.market_id,
        token_id=market.token(outcome),
        outcome=outcome,
        side=side,
        price_units=limit,
        shares_micro=shares,
        tick_units=market.tick_units,
        neg_risk=market.neg_risk,
        version=market.version,
        reason=reason,
        ts_s=inputs.bar.ts_s,
        after_ms=inputs.after_ms,
    )


def _hold(inputs: Inputs, target: Target, seen: tuple[float, ...], refusal: Refusal | None = None) -> Decision:
    return _decision(inputs, "hold", target, None, refusal, seen)


def _decision(
    inputs: Inputs,
    action: str,
    target: Target,
    intent: OrderIntent | None,
    refusal: Refusal | None,
    seen: tuple[float, ...],
) -> Decision:
    bar, confidence = inputs.bar, inputs.forecast.confidence
    return Decision(
        bar.ts_s, bar.market_id, action, target.direction, target.fraction, intent, refusal, confidence, seen
    )
