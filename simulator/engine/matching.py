"""Matching: what an arriving order would trade, and the debits and credits of each trade. Nothing here changes a book.

Cash is exact, because shares are multiples of 0.01 and prices of 1e-4. A market buy may take smaller fractions of a
share, but only such that shares x price is a whole number of base units. A noise trader who spends a sum is the
exception: its shares may be any, and cash is rounded.
"""

from dataclasses import dataclass
from math import gcd

from pipelines.core.domain import FeeSchedule, Outcome
from pipelines.core.money import PRICE_SCALE, fee_micro
from simulator.engine.accounts import CASH, Account
from simulator.engine.book import Book
from simulator.engine.orders import BUDGET_GRID, MakerFill, Order


@dataclass(slots=True)
class Crossing:
    """Fills of a taker at one price level."""

    price_units: int
    """In the taker's token."""
    makers: list[MakerFill]
    shares_micro: int
    cash_micro: int
    """Paid by a buying taker, received by a selling one, before the fee."""
    fee_micro: int


def crosses(book: Book, order: Order) -> bool:
    """Whether an order would trade on arrival."""
    keys = book.facing(order).keys
    return bool(keys) and keys[-1] + order.level_key >= 0


def walk(book: Book, order: Order, fee: FeeSchedule) -> list[Crossing]:
    """Fills in price-time priority at the makers' prices; the book is not changed."""
    found: list[Crossing] = []
    wanted, budget = order.remaining_micro, order.budget_micro
    ladder, own_key = book.facing(order), order.level_key
    for key in reversed(ladder.keys):
        if key + own_key < 0:
            break
        level, book_price = ladder.levels[key], abs(key)
        own = book_price if order.outcome is Outcome.YES else PRICE_SCALE - book_price
        if order.budget_micro:
            wanted = affordable(budget, own, order.share_grid)
        if wanted <= 0:
            break
        crossing = _take(order, level.orders.values(), own, wanted, fee)
        wanted -= crossing.shares_micro
        budget -= crossing.cash_micro
        found.append(crossing)
    return found


def affordable(budget_micro: int, price_units: int, share_grid: int = BUDGET_GRID) -> int:
    """Most shares in base units that a budget buys at a price.

    With the usual grid the cost is a whole number of base units. With another `share_grid` the makers' cash is rounded
    down, and the taker pays that much.
    """
    if share_grid != BUDGET_GRID:
        return budget_micro * PRICE_SCALE // price_units // share_grid * share_grid
    grid = PRICE_SCALE // gcd(price_units, PRICE_SCALE)
    grid = grid * BUDGET_GRID // gcd(grid, BUDGET_GRID)
    return budget_micro * PRICE_SCALE // price_units // grid * grid


def _take(order: Order, queue: object, own: int, wanted: int, fee: FeeSchedule) -> Crossing:
    makers: list[MakerFill] = []
    taken = cash = 0
    for maker in queue:  # type: ignore[attr-defined]
        shares = min(maker.remaining_micro, wanted - taken)
        makers.append(MakerFill(maker, shares, maker.price_units))
        taken += shares
        maker_cash = shares * maker.price_units // PRICE_SCALE
        # In a mint or a merge the parts of maker and taker sum to 1 pUSD per pair.
        cash += maker_cash if maker.outcome is order.outcome else shares - maker_cash
        if taken == wanted:
            break
    # A fee above the proceeds would make a seller of cheap shares pay more than it receives.
    charged = min(fee_micro(taken, own, fee.rate, fee.exponent), cash)
    return Crossing(own, makers, taken, cash, charged)


Transfers = list[tuple[Account, str, int]]


def transfers(order: Order, crossing: Crossing) -> tuple[Transfers, Transfers, int]:
    """Debits and credits of a crossing, and the collateral that it locks (negative: frees), in base units.

    Two orders of one outcome trade shares for cash. Two buyers of both outcomes mint pairs, two sellers merge them.
    """
    taker, token = order.account, order.token_id
    shares, cash, fee = crossing.shares_micro, crossing.cash_micro, crossing.fee_micro
    debits: Transfers
    credits_: Transfers
    if order.is_buy:
        debits, credits_ = [(taker, CASH, cash + fee)], [(taker, token, shares)]
    else:
        debits, credits_ = [(taker, token, shares)], [(taker, CASH, cash - fee)]
    minted = 0
    for fill in crossing.makers:
        maker = fill.order
        maker_cash = fill.shares_micro * fill.price_units // PRICE_SCALE
        if maker.is_buy:
            debits.append((maker.account, CASH, maker_cash))
            credits_.append((maker.account, maker.token_id, fill.shares_micro))
        else:
            debits.append((maker.account, maker.token_id, fill.shares_micro))
            credits_.append((maker.account, CASH, maker_cash))
        if maker.outcome is not order.outcome:
            minted += fill.shares_micro if maker.is_buy else -fill.shares_micro
    return debits, credits_, minted
