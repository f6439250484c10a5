"""One arithmetic: the trading kernel and the matching engine agree on every fill to the base unit."""

import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.core.domain import Outcome
from pipelines.core.money import MICRO, PRICE_SCALE
from pipelines.trading import kernel

sys.path.append(str(Path(__file__).resolve().parents[1] / "code/simulator"))
from simulator_bench import exchange, listing, place

GOLDEN = [
    # side, outcome, shares, limit, touch, depth -> filled, notional, fee in base units
    (1, "YES", 100.0, 5400, 5200, 60.0, (100_000_000, 52_400_000, 1_247_000)),
    (1, "NO", 25.5, 4900, 4800, 10.0, (20_000_000, 9_700_000, 249_750)),
    (-1, "YES", 80.0, 4700, 4900, 50.0, (80_000_000, 38_900_000, 999_150)),
    (-1, "NO", 10.02, 9000, 9000, 100.0, (10_020_000, 9_018_000, 45_090)),
]


def engine_fill(side, outcome, shares, limit, touch, depth, rate):
    """Filled shares, notional and fee of the same order in the matching engine, and the change of cash it made."""
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
    made, trades = place(venue, "taker", "BUY" if side > 0 else "SELL", outcome, limit, shares)
    notional, fee = sum(t.cash_micro for t in trades), sum(t.fee_micro for t in trades)
    assert venue.account("taker").cash_micro - before == -side * notional - fee
    return made.matched_micro, notional, fee


@pytest.mark.parametrize(("side", "outcome", "shares", "limit", "touch", "depth", "expected"), GOLDEN)
def test_golden_fills(side, outcome, shares, limit, touch, depth, expected):
    """Golden vectors: both give the recorded fill."""
    sizes = round(shares * MICRO), round(depth * MICRO)
    assert kernel.walk(side, sizes[0], limit, touch, 100, 0, sizes[1], 0.05, 1.0) == expected
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
    expected = kernel.walk(side, shares * 10_000, limit, touch * 100, 100, 0, depth * 10_000, rate, 1.0)
    assert engine_fill(side, outcome, shares / 100, limit, touch * 100, depth / 100, rate) == expected


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
