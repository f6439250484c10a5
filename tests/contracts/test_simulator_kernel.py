"""One arithmetic: the trading kernel and the matching engine agree on every fill to the base unit."""

import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.core.domain import Outcome
from pipelines.core.money import CENT, MICRO, PRICE_SCALE, SHARE_GRID, market_buy_micro
from pipelines.trading import kernel

sys.path.append(str(Path(__file__).resolve().parents[1] / "code/simulator"))
from simulator_bench import exchange, listing, order, place

from simulator.engine.orders import BUDGET_GRID

GOLDEN = [
    # side, outcome, shares, limit, touch, depth -> filled, notional, fee in base units
    (1, "YES", 100.0, 5400, 5200, 60.0, (100_000_000, 52_400_000, 1_247_000)),
    (1, "NO", 25.5, 4900, 4800, 10.0, (20_000_000, 9_700_000, 249_750)),
    (-1, "YES", 80.0, 4700, 4900, 50.0, (80_000_000, 38_900_000, 999_150)),
    (-1, "NO", 10.02, 9000, 9000, 100.0, (10_020_000, 9_018_000, 45_090)),
]


def engine_fill(side, outcome, shares, limit, touch, depth, rate, budget=0, share_grid=BUDGET_GRID):
    """Filled shares, notional and fee of the same order in the matching engine, and the change of cash it made. With a
    `budget` in base units it is a FAK buy."""
    venue = exchange(listing(rate=rate), deposit_pusd=10**9)
    market = next(iter(venue.markets.values()))
    other = Outcome(outcome).other.value
    price = touch
    while 0 < price < PRICE_SCALE and side * (price - limit) <= 0:
        if side > 0:
            place(venue, "maker", "BUY", other, PRICE_SCALE - price, depth)
        else:
            place(venue, "maker", "BUY", outcome, price, depth)
        price += side * 100
    if side < 0:
        venue.split(venue.account("taker"), market.listing.market_id, round(shares * MICRO))
    before = venue.account("taker").cash_micro
    kind, shares = ("FAK", 0) if budget else ("GTC", shares)
    side_name = "BUY" if side > 0 else "SELL"
    made = order(venue, "taker", side_name, outcome, limit, shares, kind=kind, budget=budget / MICRO)
    made.share_grid = share_grid
    trades = venue.place(made)
    notional, fee = sum(t.cash_micro for t in trades), sum(t.fee_micro for t in trades)
    assert venue.account("taker").cash_micro - before == -side * notional - fee
    return made.matched_micro, notional, fee


@pytest.mark.parametrize(("side", "outcome", "shares", "limit", "touch", "depth", "expected"), GOLDEN)
def test_golden_fills(side, outcome, shares, limit, touch, depth, expected):
    """Golden vectors: both give the recorded fill."""
    sizes = round(shares * MICRO), round(depth * MICRO)
    assert kernel.walk(side, sizes[0], limit, touch, 100, 0, sizes[1], sizes[1], 0.05, 1.0) == expected
    assert engine_fill(side, outcome, shares, limit, touch, depth, 0.05) == expected


@given(
    side=st.sampled_from([1, -1]), outcome=st.sampled_from(["YES", "NO"]), shares=st.integers(500, 50_000),
    band=st.integers(0, 4), touch=st.integers(6, 94),
    depth=st.integers(500, 30_000), rate=st.sampled_from([0.0, 0.05, 0.07]),
)  # fmt: skip
@settings(max_examples=150, deadline=None)
def test_any_fill(side, outcome, shares, band, touch, depth, rate):
    """On any book and any order both give the same shares, notional and fee."""
    limit = (touch + side * band) * 100
    if side > 0 and shares * limit < 100 * PRICE_SCALE:
        return
    expected = kernel.walk(side, shares * 10_000, limit, touch * 100, 100, 0, depth * 10_000, depth * 10_000, rate, 1.0)
    assert engine_fill(side, outcome, shares / 100, limit, touch * 100, depth / 100, rate) == expected


@given(
    outcome=st.sampled_from(["YES", "NO"]), shares=st.integers(500, 50_000), band=st.integers(0, 4),
    touch=st.integers(6, 94), depth=st.integers(500, 30_000), rate=st.sampled_from([0.0, 0.05, 0.07]),
)  # fmt: skip
@settings(max_examples=150, deadline=None)
def test_any_market_buy(outcome, shares, band, touch, depth, rate):
    """On any book and for any budget both spend the same on the same shares, on whole hundredths of a share; as the
    venue counts, on 0.0001 share, a fill has less than 0.01 share more at each level, for less than a cent."""
    limit = (touch + band) * 100
    if shares * limit < 100 * PRICE_SCALE:
        return
    budget = market_buy_micro(shares * 10_000, limit)
    expected = kernel.spend(budget, limit, touch * 100, 100, 0, depth * 10_000, depth * 10_000, rate, 1.0)
    bought = (1, outcome, shares / 100, limit, touch * 100, depth / 100, rate)
    assert engine_fill(*bought, budget=budget, share_grid=SHARE_GRID) == expected
    filled, notional, _ = engine_fill(*bought, budget=budget)
    assert 0 <= filled - expected[0] < 5 * SHARE_GRID
    assert 0 <= notional - expected[1] < 5 * CENT
    if band == 0 or expected[0] >= shares * 10_000:
        assert notional <= budget


@given(shares=st.integers(1, 10**6), payout=st.sampled_from([0, MICRO // 2, MICRO]))
@settings(max_examples=50, deadline=None)
def test_settlement(shares, payout):
    """Both pay the same for a holding at resolution, also 50-50."""
    venue = exchange()
    market_id = next(iter(venue.markets))
    holder, other = venue.account("a"), venue.account("b")
    venue.split(holder, market_id, shares)
    token = venue.markets[market_id].listing.token_no
    other.add(token, holder.positions.pop(token))
    venue.resolve(market_id, payout)
    assert venue.redeem(holder, market_id) == kernel.settlement_micro(shares, payout, kernel.LONG)
    assert venue.redeem(other, market_id) == kernel.settlement_micro(shares, payout, kernel.SHORT)
