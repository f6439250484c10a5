"""Money on integers."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.core import money


@pytest.mark.parametrize(
    ("shares", "price", "rate", "fee"),
    [
        (100, "0.50", 0.07, "1.75"),
        (100, "0.50", 0.05, "1.25"),
        (100, "0.50", 0.04, "1.00"),
        (100, "0.95", 0.04, "0.19"),
        (10, "0.52", 0.05, "0.1248"),
        (5, "0.001", 0.04, "0.0002"),
        (0.01, "0.001", 0.04, "0"),
        (100, "0.50", 0.0, "0"),
    ],
)
def test_the_fee_is_the_venue_table(shares, price, rate, fee):
    """Golden vectors: the venue's worked examples and its smallest fee of 0.00001 pUSD."""
    micro = money.fee_micro(money.to_micro(shares), money.price_to_units(price), rate)

    assert money.from_micro(micro) == Decimal(fee)


@given(units=st.integers(0, 10_000))
def test_prices_survive_the_round_trip(units):
    """Every unit of price is exact in both directions."""
    assert money.price_to_units(money.units_to_price(units)) == units


@given(micro=st.integers(0, 10**15))
def test_amounts_survive_the_round_trip(micro):
    """Every base unit is exact in both directions."""
    assert money.to_micro(money.from_micro(micro)) == micro


@given(shares=st.integers(0, 10**13), price=st.integers(0, 10_000))
def test_a_pair_never_costs_more_than_its_collateral(shares, price):
    """YES at p and NO at 1-p together cost at most one pUSD a share, and at most one base unit less."""
    both = money.notional_micro(shares, price) + money.notional_micro(shares, 10_000 - price)

    assert shares - 1 <= both <= shares


@given(value=st.integers(0, 10**12), grid=st.integers(1, 10**6))
def test_grids_bracket_a_value(value, grid):
    """Floor and ceiling stand on the grid, at most one step apart, around the value."""
    low, high = money.floor_to_grid(value, grid), money.ceil_to_grid(value, grid)

    assert low % grid == high % grid == 0
    assert low <= value <= high <= low + grid
