"""What books beyond the touch, trades and large accounts lean to, at the close of a bar."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.core.domain import Tape
from pipelines.features.order_flow import (
    BOOK,
    LARGE_SHARE,
    MEMORY_BARS,
    WARM_TRADES,
    WINDOW_BARS,
    LargeAccounts,
    TradeFlow,
    book_values,
    large_position,
    values,
)

LENGTH = 60
SIDES = st.lists(st.tuples(st.integers(1, 40), st.integers(0, 10**12)), min_size=0, max_size=8)


def side(steps, *, bids):
    """Levels from (distance from 0.50 in cents, size), the best first."""
    prices = {5_000 - 100 * step if bids else 5_000 + 100 * step: size for step, size in steps}
    return sorted(prices.items(), reverse=bids)


@given(SIDES, SIDES)
def test_a_mirrored_book_leans_the_other_way(bids, asks):
    """Exchanging the sides changes the sign of every value; all lie in [-1, 1]."""
    one = book_values(side(bids, bids=True), side(asks, bids=False))
    other = book_values(side(asks, bids=True), side(bids, bids=False))

    assert one == pytest.approx([-value for value in other])
    assert np.abs(one).max() <= 1.0


def test_values_of_levels_are_what_they_say():
    """Imbalance counts the first levels, the slope leans to the nearer sizes, levels behind the fifth count nothing."""
    bids, asks = [(4_900, 30), (4_800, 0), (4_700, 70)], [(5_100, 10), (5_200, 90)]
    made = dict(zip(BOOK, book_values(bids, asks), strict=True))

    assert made["imbalance_3"] == made["imbalance_5"] == 0.0
    assert made["slope"] == pytest.approx((0.019 - 0.024) / 0.043)
    assert made["deep_gap"] == pytest.approx((100 * 0.019 - 100 * 0.024) / 200)
    deep = [(5_000 - 100 * step, 10) for step in range(1, 6)]
    mirror = [(5_000 + 100 * step, 10) for step in range(1, 6)]
    assert book_values([*deep, (4_000, 10**9)], mirror) == (0.0, 0.0, 0.0, 0.0)


@pytest.mark.parametrize(("bids", "asks"), [([], [(5_100, 10)]), ([(4_900, 10)], []), ([(4_900, 0)], [(5_100, 1)])])
def test_an_empty_side_is_neutral(bids, asks):
    """A book that one side of is missing tells nothing."""
    assert book_values(bids, asks) == (0.0, 0.0, 0.0, 0.0)


def test_trades_of_the_window_alone_count():
    """Trade imbalance is bought less sold over all of the last bars; a trade at the edge has just left."""
    flow = TradeFlow(LENGTH)
    for ts_s, shares, buys in ((60, 100, True), (61, 10, True), (120, 30, False)):
        flow.trade(ts_s, 4_000, shares, buys)

    assert flow.close(60 + WINDOW_BARS * LENGTH, 4_500) == ((10 - 30) / 40, -0.05)
    assert flow.close(120 + WINDOW_BARS * LENGTH, 4_500) == (0.0, -0.05)
    assert flow.close(120 + MEMORY_BARS * LENGTH, 4_500) == (0.0, 0.0)


def tape(count, *, seed=0, accounts=20):
    """Trades at random times, several in a second, of some accounts, the first of which trades a third."""
    rng = np.random.default_rng(seed)
    account = np.where(rng.random(count) < 0.3, 1, rng.integers(2, accounts, count))
    return Tape(
        np.sort(rng.integers(0, 40 * LENGTH, count)), rng.integers(1, 9_999, count),
        rng.integers(1, 10**9, count), rng.random(count) < 0.5, account,
    )  # fmt: skip


@pytest.mark.parametrize("cut", [0, 7, 20, 39])
def test_what_comes_later_changes_nothing(cut):
    """Values at a close are those of the trades up to it, bit for bit, whatever is told afterwards."""
    made, closes = tape(2_000), [LENGTH * bar for bar in range(1, 41)]
    whole = values(made, closes, [5_000] * 40, LENGTH)
    early = values(made.where(made.ts_s <= closes[cut]), closes[: cut + 1], [5_000] * (cut + 1), LENGTH)

    assert np.array_equal(whole[: cut + 1], early)
    assert np.abs(whole).max(axis=0).min() > 0.0


def test_large_flow_is_the_flow_of_large_accounts_until_a_bar_ago():
    """It equals a sum over the trades that were called large; those of the newest bar are not in it."""
    made = tape(2_000)
    accounts, called = LargeAccounts(LENGTH), []
    for ts_s, shares, buys, who in zip(made.ts_s, made.shares_micro, made.buys, made.account, strict=True):
        called.append(accounts.trade(int(ts_s), int(shares), bool(buys), int(who)))
    close = 40 * LENGTH
    inside = (made.ts_s <= close - LENGTH) & (made.ts_s > close - (1 + WINDOW_BARS) * LENGTH)
    signed = np.where(made.buys, made.shares_micro, -made.shares_micro)

    assert accounts.flow(close) == signed[inside & called].sum() / made.shares_micro[inside].sum()
    assert values(made, [close], [5_000], LENGTH)[0, 2] == accounts.flow(close)


def test_an_account_is_large_from_what_it_had_traded_by_then():
    """One account that makes a third of the volume is large once the market is warm; an unknown one never is."""
    accounts, unknown = LargeAccounts(LENGTH), LargeAccounts(LENGTH)
    called = [accounts.trade(at, 1, True, 1 if at % 3 == 0 else 2 + at) for at in range(300)]

    assert not any(called[:WARM_TRADES])
    assert all(called[at] for at in range(WARM_TRADES, 300) if at % 3 == 0)
    assert not any(called[at] for at in range(300) if at % 3)
    assert not any(unknown.trade(at, 1, True, 0) for at in range(300))


def test_a_position_counts_from_a_share_of_its_token():
    """Large holders of YES less those of NO over all shares that are named; small ones count in the whole alone."""
    small = {f"0x{at}": 1.0 for at in range(20)}
    assert max(small.values()) / sum(small.values()) < LARGE_SHARE
    assert large_position(small, small) == large_position({}, {}) == 0.0
    assert large_position(small | {"0xa": 80.0}, {}) == 0.8
    assert large_position({}, {"0xa": 80.0}) == -1.0
