"""The arithmetic of a fill, on plain integers: touch, limit price, walk of the levels, fee, mark, settlement.

Prices are in 1e-4 (`*_units`), shares and pUSD in 1e-6 (`*_micro`); the fee alone passes through float64
(`core.money.fee_micro`). Every function is scalar and free of objects, so that `compiled` can turn the same source
into machine code: the live process calls it plain, the environment and the screen call it compiled, and both agree
to the base unit. Prices are those of the token that is traded; `touch` converts from the YES book.
"""

from pipelines.core.money import (
    CENT,
    FEE_GRID,
    MICRO,
    PRICE_SCALE,
    SHARE_GRID,
    Number,
    fee_curve,
    fee_micro,
    market_buy_micro,
)

SHORT, FLAT, LONG = -1, 0, 1
"""Directions as integers, equal to `core.domain.Direction`."""

QUEUE_AHEAD = {"pessimistic": 1.0, "neutral": 0.5, "optimistic": 0.0}
"""Three guesses of what is ahead of a resting order, as a share of the size that its level shows."""

MIN_BUY_MICRO = MICRO
"""The venue refuses marketable buys below 1 pUSD."""

TRUSTED_SPREAD_UNITS = 1_000
"""A book with a wider spread (0.10) shows no price: its mid marks nothing and trips no stop."""


def touch(mid_units: int, spread_units: int, tick_units: int) -> tuple[int, int]:
    """Bid and ask on the tick grid around a mid. `spread_units` may be a model's average: the mid's parity decides
    (a mid on half a tick has an odd spread, a mid on a tick an even one).

    >>> touch(mid_units=5_250, spread_units=100, tick_units=100)
    (5200, 5300)
    """
    # Both sides round to the nearest tick, halves towards each other, so that the spread never widens by rounding.
    bid = -(-(2 * mid_units - spread_units - tick_units) // (2 * tick_units)) * tick_units
    ask = (2 * mid_units + spread_units + tick_units) // (2 * tick_units) * tick_units
    # A spread below one tick rounds both sides to one price; a book cannot be locked, so each side steps back.
    if bid >= ask:
        bid -= tick_units
        ask += tick_units
    return max(bid, 0), min(ask, PRICE_SCALE)


def token_price(yes_units: int, direction: int) -> int:
    """Price of the token that a direction holds: the NO price mirrors the YES price.

    >>> token_price(yes_units=5_200, direction=SHORT)
    4800
    """
    return yes_units if direction >= 0 else PRICE_SCALE - yes_units


def token_bid(bid_units: int, ask_units: int, direction: int) -> int:
    """Best bid of the token that a direction holds, from the YES book."""
    return bid_units if direction >= 0 else PRICE_SCALE - ask_units


def token_ask(bid_units: int, ask_units: int, direction: int) -> int:
    """Best ask of the token that a direction holds, from the YES book."""
    return ask_units if direction >= 0 else PRICE_SCALE - bid_units


def buy_limit(ask_units: int, tick_units: int, band_ticks: int) -> int:
    """Limit of a buy: the touch and a band of ticks beyond it, below 1. On the tick, upwards, whatever the touch is."""
    # After a change of tick the touch may lie off the new grid; rounding against us keeps the order marketable.
    beyond = -(-ask_units // tick_units) * tick_units + band_ticks * tick_units
    return min(beyond, PRICE_SCALE - tick_units)


def sell_limit(bid_units: int, tick_units: int, band_ticks: int) -> int:
    """Limit of a sale: the touch and a band of ticks beyond it, inside (0, 1). On the tick, downwards."""
    beyond = bid_units // tick_units * tick_units - band_ticks * tick_units
    return min(max(beyond, tick_units), PRICE_SCALE - tick_units)


def rest_limit(bid_units: int, tick_units: int) -> int:
    """Limit of a buy that joins the touch of its own side: on the tick, never above the touch."""
    return max(bid_units // tick_units * tick_units, tick_units)


def offer_limit(ask_units: int, tick_units: int) -> int:
    """Limit of a sale that joins the touch of its own side: on the tick, never below the touch, below 1."""
    return min(-(-ask_units // tick_units) * tick_units, PRICE_SCALE - tick_units)


def sellable_micro(shares_micro: int) -> int:
    """The part of a holding that an order can offer: shares on the 0.01 grid. The rest is dust.

    >>> sellable_micro(7_085_123)
    7080000
    """
    return shares_micro // SHARE_GRID * SHARE_GRID


def is_trusted(bid_units: int, ask_units: int) -> bool:
    """Whether a YES book shows a price: two sides, not crossed, at most TRUSTED_SPREAD_UNITS apart.

    >>> is_trusted(4_800, 4_900), is_trusted(0, 4_900), is_trusted(6_000, 4_000)
    (True, False, False)
    """
    return 0 < bid_units < ask_units < PRICE_SCALE and ask_units - bid_units <= TRUSTED_SPREAD_UNITS


def fair_units(last_units: int, mid_units: int, bid_units: int, ask_units: int) -> int:
    """The YES price to mark at: the mid of a trusted book, else the last trusted mid within what bid and ask allow.

    `last_units` 0 means that no book was trusted yet: the mid is all there is.
    """
    if last_units <= 0 or is_trusted(bid_units, ask_units):
        return mid_units
    return min(max(last_units, bid_units), ask_units)


def exit_floor(fair_token_units: int, age_s: int, tick_units: int, band_units: int, step_s: int, steps: int) -> int:
    """Lowest price at which a token is sold into a book that is not trusted: `band_units` below its fair price.

    Each `step_s` without a trusted book lowers it by the band again, at most `steps` times, never below half of the
    fair price. On the tick, downwards, at least one tick.
    """
    # The longer no book can be trusted, the less the last fair price is worth: the floor comes down in steps.
    band = band_units * (1 + min(age_s // step_s, steps))
    lowest = max(fair_token_units - band, fair_token_units // 2)
    return max(lowest // tick_units * tick_units, tick_units)


def impact_units(spread_units: int, impact_share: float) -> int:
    """How far a fill moves the price against us: a share of the spread, rounded up."""
    return -int(-(spread_units * impact_share) // 1)


def shown_micro(depth_micro: int, spread_units: int, tick_units: int) -> int:
    """Shares that a modelled level shows: `depth_micro` where the spread is one tick, inversely with the spread.

    Over open markets the liquidity of a book falls with about the power -1.2 of its spread in ticks (docs/trading.md).
    """
    return depth_micro * tick_units // max(spread_units, tick_units) // SHARE_GRID * SHARE_GRID


def touch_micro(recorded_micro: int, modelled_micro: int) -> int:
    """Shares that the touch shows: what was recorded there, on the grid, or (0 recorded) what the model shows."""
    return recorded_micro // SHARE_GRID * SHARE_GRID if recorded_micro > 0 else modelled_micro


def level_units(touch_units: int, limit_units: int, side: int, level: int, tick_units: int, impact: int) -> int:
    """Price of our fill at a modelled level (0 is the touch), or -1 when the limit forbids the level.

    `side` is 1 for a buy and -1 for a sale. Impact worsens the price, never beyond the limit.
    """
    quoted = touch_units + side * level * tick_units
    if side * (quoted - limit_units) > 0 or quoted <= 0 or quoted >= PRICE_SCALE:
        return -1
    worse = quoted + side * impact
    return limit_units if side * (worse - limit_units) > 0 else worse


def walk(
    side: int,
    shares_micro: int,
    limit_units: int,
    touch_units: int,
    tick_units: int,
    impact: int,
    touch_micro: int,
    behind_micro: int,
    rate: float,
    exponent: float,
) -> tuple[int, int, int]:
    """Filled shares, notional and fee of a marketable order that walks the levels down to its limit: `touch_micro` at
    the touch and `behind_micro` on every level behind it. A touch that shows nothing ends the walk."""
    filled = notional = fee = level = 0
    depth_micro = touch_micro
    while filled < shares_micro:
        price = level_units(touch_units, limit_units, side, level, tick_units, impact)
        if price < 0 or depth_micro < SHARE_GRID:
            break
        # Each level is rounded for itself, as the venue books each maker order for itself.
        take = min(shares_micro - filled, depth_micro)
        filled += take
        notional += take * price // PRICE_SCALE
        fee += fee_micro(take, price, rate, exponent)
        depth_micro = behind_micro
        level += 1
    return filled, notional, fee


def affordable_micro(budget_micro: int, price_units: int) -> int:
    """Shares on the 0.01 grid that a budget buys at a price. A venue may give a part of 0.01 share more.

    >>> affordable_micro(budget_micro=17_340_000, price_units=5_000)
    34680000
    """
    return budget_micro * PRICE_SCALE // price_units // SHARE_GRID * SHARE_GRID


def spend(
    budget_micro: int,
    limit_units: int,
    touch_units: int,
    tick_units: int,
    impact: int,
    touch_micro: int,
    behind_micro: int,
    rate: float,
    exponent: float,
) -> tuple[int, int, int]:
    """Filled shares, notional and fee of a market buy, which spends its budget on the levels of `walk` up to its limit.

    The fee is not part of the budget.
    """
    filled = notional = fee = level = 0
    depth_micro = touch_micro
    while True:
        price = level_units(touch_units, limit_units, 1, level, tick_units, impact)
        if price < 0 or depth_micro < SHARE_GRID:
            break
        take = min(affordable_micro(budget_micro - notional, price), depth_micro)
        if take <= 0:
            break
        filled += take
        notional += take * price // PRICE_SCALE
        fee += fee_micro(take, price, rate, exponent)
        depth_micro = behind_micro
        level += 1
    return filled, notional, fee


def ahead_share(queue: str) -> float:
    """Part of what its level shows that is ahead of an order when it comes to rest, for a value of `execution.queue`:
    all of it where recorded books then say how the queue moves.

    >>> ahead_share("neutral"), ahead_share("evidence")
    (0.5, 1.0)
    """
    return QUEUE_AHEAD.get(queue, QUEUE_AHEAD["pessimistic"])


def queue_ahead(
    side: int, limit_units: int, bid_units: int, ask_units: int, displayed_micro: int, ahead_share: float
) -> int:
    """Shares ahead of an order when it comes to rest: a share of what its level shows (QUEUE_AHEAD), none
    where the limit is better than the touch of its side."""
    own = bid_units if side > 0 else ask_units
    return 0 if side * (limit_units - own) > 0 else int(displayed_micro * ahead_share)


def crossing_micro(
    side: int, limit_units: int, other_units: int, tick_units: int, touch_micro: int, behind_micro: int
) -> int:
    """Shares that the other side shows from its touch to the limit of a resting order: `touch_micro` at the touch and
    `behind_micro` on every level behind it. 0 where the touch has not come to the limit or shows nothing."""
    beyond = side * (limit_units - other_units)
    return touch_micro + beyond // tick_units * behind_micro if beyond >= 0 and touch_micro > 0 else 0


def resting_fill(
    side: int,
    left_micro: int,
    limit_units: int,
    bid_units: int,
    ask_units: int,
    traded_micro: int,
    ahead_micro: int,
    crossing_micro: int,
) -> tuple[int, int]:
    """Filled shares of a resting order in one bar, and the queue before it afterwards. It fills at its own limit, free.

    Where the other side's touch has reached the limit, the price has gone through it: what came to the limit is filled,
    at most the `crossing_micro` that are shown up to there. At the touch of its own side half of the bar's volume came
    to that side, the queue's shares first. Behind it, nothing.
    """
    own, other = (bid_units, ask_units) if side > 0 else (ask_units, bid_units)
    if side * (limit_units - other) >= 0:
        return min(left_micro, crossing_micro // SHARE_GRID * SHARE_GRID), 0
    if side * (limit_units - own) < 0:
        return 0, ahead_micro
    # A bar does not say who sold and who bought: half of its volume is taken to have come to either side.
    came = traded_micro // 2
    reached = max(came - ahead_micro, 0) // SHARE_GRID * SHARE_GRID
    return min(left_micro, reached), max(ahead_micro - came, 0)


def equity_micro(cash_micro: int, shares_micro: int, yes_mid_units: int, direction: int) -> int:
    """Cash and the holding marked at the mid of its token."""
    return cash_micro + shares_micro * token_price(yes_mid_units, direction) // PRICE_SCALE


def payout_units(payout_yes_micro: int) -> int:
    """The YES price that a resolved market's payout is."""
    return payout_yes_micro * PRICE_SCALE // MICRO


def settlement_micro(shares_micro: int, payout_yes_micro: int, direction: int) -> int:
    """pUSD that a holding pays at resolution; `payout_yes_micro` is 1,000,000, 0, or 500,000 for 50-50.

    >>> settlement_micro(shares_micro=10_000_000, payout_yes_micro=500_000, direction=SHORT)
    5000000
    """
    payout = payout_yes_micro if direction >= 0 else MICRO - payout_yes_micro
    return shares_micro * payout // MICRO


def dearest_fee(limit_units: int, rate: float, exponent: float) -> float:
    """Largest taker fee per pUSD that is spent at any price up to a limit: rate x p^(e - 1) x (1 - p)^e.

    A lower price has a larger fee for the same money, and a market buy spends its money at any better price too.

    >>> round(dearest_fee(limit_units=5_000, rate=0.05, exponent=1.0), 4)
    0.05
    """
    peak = (exponent - 1.0) / (2.0 * exponent - 1.0) if exponent > 1.0 else 0.0
    price = max(min(peak, limit_units / PRICE_SCALE), 1.0 / PRICE_SCALE)
    dearest: float = rate * price ** (exponent - 1.0) * (1.0 - price) ** exponent
    return dearest


def reserve_micro(shares_micro: int, limit_units: int, rate: float, exponent: float) -> int:
    """pUSD that a working buy may still cost: what a market buy of these shares spends, and the largest fee on it."""
    spent = market_buy_micro(shares_micro, limit_units)
    return spent + int(spent * dearest_fee(limit_units, rate, exponent)) + (FEE_GRID if rate > 0.0 else 0)


def shares_for(budget_micro: int, limit_units: int, rate: float, exponent: float) -> int:
    """Largest size on the 0.01 grid whose reserve (`reserve_micro`) at the limit price stays within the budget.

    >>> shares_for(budget_micro=100_000_000, limit_units=5_000, rate=0.0, exponent=1.0)
    199950000
    """
    # One base unit per share on top, because notional and fee are each rounded once more when the order fills.
    fee_per_share = dearest_fee(limit_units, rate, exponent) * limit_units / PRICE_SCALE
    per_share = limit_units * (MICRO // PRICE_SCALE) + int(fee_per_share * MICRO) + 1
    return max(budget_micro - FEE_GRID - 2 * CENT, 0) * MICRO // per_share // SHARE_GRID * SHARE_GRID


def part_micro(amount_micro: int, part_shares_micro: int, shares_micro: int) -> int:
    """The part of an amount that belongs to some of the shares, floored. Shares on the 0.01 grid are counted on it, so
    that machine integers hold the product for positions of millions of pUSD.

    >>> part_micro(amount_micro=10_000_000, part_shares_micro=10_000, shares_micro=30_000)
    3333333
    """
    if part_shares_micro % SHARE_GRID or shares_micro % SHARE_GRID:
        return amount_micro * part_shares_micro // shares_micro
    return amount_micro * (part_shares_micro // SHARE_GRID) // (shares_micro // SHARE_GRID)


def round_trip_units(
    spread_units: Number, mid_units: Number, impact_share: float, rate: float, exponent: float
) -> Number:
    """Cost of entering and leaving one share, in price units: spread, impact and fee on both sides. Arrays too."""
    fee = rate * fee_curve(mid_units, exponent) * PRICE_SCALE
    return spread_units * (1.0 + 2.0 * impact_share) + 2.0 * fee
