"""What explains a difference of cash: positions first, then the venue's own list of payments, then nothing."""

import itertools
from collections.abc import Sequence
from typing import Final

from pipelines.core.domain import FeeSchedule, Fill, Market, Outcome, Side
from pipelines.core.money import MICRO, PRICE_SCALE, fee_micro
from serving.account import bookings
from serving.account.journal import CashFlow, is_own_booking

FLOWS_TRIED: Final = 12
"""Of payments that are not booked, so many of the newest are tried in every combination."""

SMALL_MICRO: Final = 10_000
SMALL_SHARE: Final = 0.03
"""An unnamed difference up to 0.01 pUSD, or this share of what was traded since the books were last equal (a fee that
moved), is booked after a while instead of stopping all buying for good."""


def explaining(flows: Sequence[CashFlow], difference_micro: int) -> tuple[CashFlow, ...]:
    """The payments that add up to a difference exactly, as few and as new as possible; empty when none do."""
    newest = sorted(flows, key=lambda flow: -flow.ts_s)[:FLOWS_TRIED]
    for size in range(1, len(newest) + 1):
        for some in itertools.combinations(newest, size):
            if sum(flow.cash_micro for flow in some) == difference_micro:
                return some
    return ()


def moved_fee(fill: Fill, fee: FeeSchedule | None) -> CashFlow | None:
    """The cash that a fill moved less (or more) because the venue charges another fee than was booked; None where it is
    the same, or where the venue does not say."""
    if fee is None or is_own_booking(fill.fill_id):
        return None
    charged = fee_micro(fill.shares_micro, fill.price_units, fee.rate, fee.exponent)
    if charged == fill.fee_micro:
        return None
    return CashFlow(f"fee/{fill.fill_id}/{charged}"[:160], "FEE", fill.fee_micro - charged, fill.ts_s)


def is_small(difference_micro: int, traded_micro: int) -> bool:
    """Whether a difference that nothing names is booked anyway."""
    return abs(difference_micro) <= max(SMALL_MICRO, int(SMALL_SHARE * traded_micro))


def adoptions(
    differences: Sequence[tuple[Market, Outcome, int, int]], cash_micro: int, now_s: int, stamp: int
) -> tuple[list[Fill], int]:
    """Bookings that bring shares to the venue's count, and the part of the cash difference that they do not explain.

    `differences` are market, outcome, base units that the venue has more, and the token's fair price in units. Cash
    that came in is the price of shares that are gone (at most 1 pUSD each), cash that is gone paid for shares that
    came, in proportion to the fair value where several could be meant. Other shares went or came for nothing.
    """
    incoming = cash_micro > 0
    paying = [one for one in differences if (one[2] < 0) == incoming and one[2] and cash_micro]
    worth = [abs(shares) * max(fair, 1) for _, _, shares, fair in paying]
    most = sum(abs(shares) for _, _, shares, _ in paying)
    paid = min(abs(cash_micro), most)
    shared = _shares(paid, worth, [abs(shares) for _, _, shares, _ in paying])
    amounts = dict(zip((id(one) for one in paying), shared, strict=True))
    fills = []
    for number, one in enumerate(differences):
        market, outcome, shares, _ = one
        amount = amounts.get(id(one), 0)
        side = Side.BUY if shares > 0 else Side.SELL
        price = min(-(-amount * PRICE_SCALE // abs(shares)), PRICE_SCALE)
        token = market.token(outcome)
        name = f"adopted/{stamp + number}"
        fill = Fill(
            fill_id=name,
            order_id="adopted",
            market_id=market.market_id,
            token_id=token,
            outcome=outcome,
            side=side,
            price_units=price,
            shares_micro=abs(shares),
            fee_micro=0,
            ts_s=now_s,
        )
        fills.append(bookings.exactly(fill, amount if side is Side.SELL else -amount))
    return fills, cash_micro - (paid if incoming else -paid)


def _shares(total: int, worth: Sequence[int], most: Sequence[int]) -> list[int]:
    """`total` in parts by worth, none above its most; the parts add up exactly."""
    parts, left, weight = [], total, sum(worth)
    for value, limit in zip(worth, most, strict=True):
        part = min(left * value // weight if weight else 0, limit)
        parts.append(part)
        left, weight = left - part, weight - value
    for index, limit in enumerate(most):
        extra = min(left, limit - parts[index])
        parts[index] += extra
        left -= extra
    assert left == 0 or total > sum(most), f"{left} of {total} base units of {MICRO} were not shared out"
    return parts
