"""Money on integers: prices in 1e-4, shares and pUSD in 1e-6; the fee alone passes through float64.

These are the only conversions in the project. Kernel, ledger, simulator and order builder share them, so that
environment, backtest, paper, simulated and live trading agree to the base unit.
"""

from decimal import ROUND_FLOOR, Decimal
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

PRICE_SCALE: Final = 10_000
"""Price units in one pUSD: a price of 0.52 is 5,200 units."""

MICRO: Final = 1_000_000
"""Base units in one share and in one pUSD (6 decimals, as on chain)."""

SHARE_GRID: Final = 10_000
"""The step of order sizes, 0.01 share, in base units."""

CENT: Final = 10_000
"""The step of what a market buy spends, 0.01 pUSD, in base units."""

FEE_GRID: Final = 10
"""The step of fees, 0.00001 pUSD, in base units."""


def price_to_units(price: float | str | Decimal) -> int:
    """Price in [0, 1] to units of 1e-4, rounded half-even.

    >>> price_to_units("0.52")
    5200
    """
    return int((Decimal(str(price)) * PRICE_SCALE).to_integral_value())


def units_to_price(units: int) -> Decimal:
    """Units of 1e-4 to an exact price.

    >>> units_to_price(5_200)
    Decimal('0.52')
    """
    return Decimal(units) / PRICE_SCALE


def to_micro(amount: float | str | Decimal) -> int:
    """Shares or pUSD to base units of 1e-6, floored (never more than is there).

    >>> to_micro("7.0851239")
    7085123
    """
    return int((Decimal(str(amount)) * MICRO).to_integral_value(rounding=ROUND_FLOOR))


def from_micro(micro: int) -> Decimal:
    """Base units of 1e-6 to an exact amount.

    >>> from_micro(7_085_123)
    Decimal('7.085123')
    """
    return Decimal(micro) / MICRO


def notional_micro(shares_micro: int, price_units: int) -> int:
    """pUSD base units that change hands for `shares_micro` at `price_units`, floored as the exchange does.

    >>> notional_micro(shares_micro=7_000_000, price_units=5_200)
    3640000
    """
    return shares_micro * price_units // PRICE_SCALE


def market_buy_micro(shares_micro: int, limit_units: int) -> int:
    """pUSD base units that a market buy (FAK) spends at most to get so many shares at its limit or more at a better
    price: the venue takes whole cents, so they are rounded up.

    >>> market_buy_micro(shares_micro=33_330_000, limit_units=5_200)
    17340000
    """
    return -(-shares_micro * limit_units // (PRICE_SCALE * CENT)) * CENT


Number = TypeVar("Number", float, "NDArray[np.float64]")


def fee_curve(price_units: Number, exponent: float) -> Number:
    """(p (1 - p))^exponent, which the fee of a share is proportional to; takes arrays too."""
    price = price_units / PRICE_SCALE
    curve: Number = (price * (1.0 - price)) ** exponent
    return curve


def fee_micro(shares_micro: int, price_units: int, rate: float, exponent: float = 1.0) -> int:
    """Taker fee in pUSD base units: shares x rate x (p (1 - p))^exponent, rounded to 1e-5 pUSD.

    Source: the venue's fee page (fees since 2026-03-30); makers pay nothing. Golden vectors pin the rounding.

    >>> fee_micro(shares_micro=100_000_000, price_units=5_000, rate=0.05)
    1250000
    """
    if rate == 0.0 or shares_micro == 0:
        return 0
    fee_pusd = (shares_micro / MICRO) * rate * fee_curve(price_units, exponent)
    return int(fee_pusd * 100_000.0 + 0.5) * FEE_GRID


def floor_to_grid(value: int, grid: int) -> int:
    """Largest multiple of `grid` that is at most `value`.

    >>> floor_to_grid(7_085_123, SHARE_GRID)
    7080000
    """
    return value // grid * grid


def ceil_to_grid(value: int, grid: int) -> int:
    """Smallest multiple of `grid` that is at least `value`.

    >>> ceil_to_grid(5_213, 100)
    5300
    """
    return -(-value // grid) * grid
