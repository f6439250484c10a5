from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.core.domain import Fill, Outcome, Side
from pipelines.core.errors import DataError
from pipelines.trading import kernel
from pipelines.trading.ledger import Ledger, round_trips


def fill(number, side, shares, price, fee=0, outcome=Outcome.YES, market="0x01"):
    """A fill of ours."""
    return Fill(
        fill_id=f"f{number}",
        order_id="o",
        market_id=market,
        token_id="11",
        outcome=outcome,
        side=side,
        price_units=price,
        shares_micro=shares,
        fee_micro=fee,
        ts_s=60 * number,
    )


def test_a_fill_is_booked_once():
    """A fill that the venue reports twice changes the books once."""
    ledger = Ledger(10_000_000)
    bought = fill(1, Side.BUY, 5_000_000, 5_000, 60_000)
    assert ledger.apply(bought, 5_000)
    assert not ledger.apply(bought, 5_000)
    assert ledger.cash_micro == 10_000_000 - 2_500_000 - 60_000


def test_a_round_trip_books_its_profit_after_fees():
    """P&L of a closed position is what came in less what the shares cost, both with fees."""
    ledger = Ledger(10_000_000)
    ledger.apply(fill(1, Side.BUY, 10_000_000, 5_000, 100_000), 5_000)
    ledger.apply(fill(2, Side.SELL, 10_000_000, 5_500, 100_000), 5_500, "exit")
    assert [trade.pnl for trade in ledger.closed] == [Decimal("0.3")]
    assert not ledger.positions


def test_a_round_trip_ends_when_nothing_is_held():
    """The parts of one exit are one round trip, and none while a part of the position is held or was bought anew."""
    ledger = Ledger(10_000_000)
    ledger.apply(fill(1, Side.BUY, 10_000_000, 5_000), 5_000)
    ledger.apply(fill(2, Side.SELL, 4_000_000, 5_500), 5_500, "exit")
    assert round_trips(ledger.closed, ledger.positions) == []

    ledger.apply(fill(3, Side.SELL, 6_000_000, 4_000), 4_000, "exit")
    (trip,) = round_trips(ledger.closed, ledger.positions)
    assert (trip.shares, trip.pnl, trip.opened_s, trip.closed_s) == (Decimal(10), Decimal("-0.4"), 60, 180)

    ledger.apply(fill(4, Side.BUY, 10_000_000, 5_000), 5_000)
    ledger.apply(fill(5, Side.SELL, 4_000_000, 5_500), 5_500, "exit")
    assert round_trips(ledger.closed, ledger.positions) == [trip]
    ledger.settle("0x01", 0, 600)
    assert [one.pnl for one in round_trips(ledger.closed, ledger.positions)] == [Decimal("-0.4"), Decimal("-2.8")]


def test_selling_more_than_is_held_is_refused():
    """There is no negative position: such a fill means that the books and the venue differ."""
    ledger = Ledger(10_000_000)
    with pytest.raises(DataError, match="reconcile"):
        ledger.apply(fill(1, Side.SELL, 1_000_000, 5_000), 5_000)


def test_settlement_closes_the_position():
    """Redemption pays the outcome and books the rest as loss."""
    ledger = Ledger(10_000_000)
    ledger.apply(fill(1, Side.BUY, 10_000_000, 6_000, outcome=Outcome.NO), 4_000)
    assert ledger.settle("0x01", 0, 600) == 10_000_000
    assert ledger.cash_micro == 14_000_000
    assert ledger.closed[0].pnl == Decimal(4)


def test_a_merge_gives_a_pUSD_for_a_pair():
    """YES bought at 0.60 and NO at 0.30 merge into 1 pUSD a pair: 0.10 each is earned before anything is resolved."""
    ledger = Ledger(20_000_000)
    ledger.apply(fill(1, Side.BUY, 10_000_000, 6_000), 6_000)
    ledger.apply(fill(2, Side.BUY, 8_000_000, 3_000, outcome=Outcome.NO), 6_000)
    ledger.merge("0x01", 8_000_000, 600)
    assert ledger.cash_micro == 20_000_000 - 6_000_000 - 2_400_000 + 8_000_000
    assert sum(trade.pnl for trade in ledger.closed) == Decimal("0.8")
    assert ledger.positions["0x01"].shares_micro == 2_000_000
    with pytest.raises(DataError, match="merge fewer"):
        ledger.merge("0x01", 1_000_000, 600)


def test_a_split_costs_what_it_can_be_merged_for():
    """Splitting and merging the same amount changes nothing, and what is not there cannot be split."""
    ledger = Ledger(10_000_000)
    ledger.split("0x01", 7_000_000, 3_333, 60)
    assert ledger.cash_micro == 3_000_000
    assert ledger.equity_micro({"0x01": 3_333}) == 10_000_000
    ledger.merge("0x01", 7_000_000, 120)
    assert ledger.cash_micro == 10_000_000
    assert sum(trade.pnl for trade in ledger.closed) == 0
    assert not ledger.positions
    with pytest.raises(DataError, match="split less"):
        ledger.split("0x01", 11_000_000, 5_000, 180)


def test_a_position_remembers_its_entry_and_best_mid():
    """Entry is the YES mid; the peak is in the price of the token that is held."""
    ledger = Ledger(10_000_000)
    ledger.apply(fill(1, Side.BUY, 5_000_000, 4_000, outcome=Outcome.NO), 6_050)
    ledger.mark("0x01", 5_500)
    ledger.mark("0x01", 5_800)
    position = ledger.positions["0x01"]
    assert (position.entry_units, position.peak_units) == (6_050, 4_500)


@settings(deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(1, 5_000), st.integers(1, 9_999)), max_size=30))
def test_decimal_books_equal_the_integer_kernel(trades):
    """Over any history of fills, Decimal cash and equity equal the integer arithmetic to the base unit."""
    ledger, cash, held = Ledger(10**12), 10**12, 0
    for number, (buy, hundredths, price) in enumerate(trades):
        shares = hundredths * 10_000
        if not buy:
            shares = min(shares, held)
        if shares == 0:
            continue
        side = Side.BUY if buy else Side.SELL
        _, notional, fee = kernel.walk(1 if buy else -1, shares, price, price, 1, 0, 10**15, 10**15, 0.05, 1.0)
        ledger.apply(fill(number, side, shares, price, fee), price)
        cash += -notional - fee if buy else notional - fee
        held += shares if buy else -shares
    assert ledger.cash_micro == cash
    assert ledger.equity_micro({"0x01": 4_321}) == kernel.equity_micro(cash, held, 4_321, 1)
