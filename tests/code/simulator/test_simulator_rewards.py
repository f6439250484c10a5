"""Payments to makers: rewards by the venue's formula, and rebates of the takers' fees."""

import httpx2
import pytest
from py_clob_client_v2.clob_types import OrderArgs, OrderScoringParams, OrdersScoringParams
from simulator_bench import listing, order
from simulator_site import START_S, Background
from test_simulator_clients import client

from pipelines.core.domain import Side
from pipelines.core.money import MICRO
from simulator.engine.audit import audit
from simulator.engine.exchange import Exchange
from simulator.venue.incentives import account_score, day_of, middle, order_score, rebate_share

YES, CONDITION = listing(1).token_yes, listing(1).market_id
TODAY = day_of(START_S)


@pytest.fixture
def site():
    """A venue where each market pays 1,440 pUSD a day, so 1 a minute, and takers' fees are shared."""
    with Background(rewards_pusd=1440.0, rebates=True, admin=True) as running:
        yield running
        assert running.do(lambda: audit(running.venue.exchange)) == []


def resting(price, shares, side="BUY"):
    """An order for YES."""
    venue = Exchange(deposit_micro=10**9)
    venue.list_market(listing(1))
    return order(venue, "a", side, "YES", price, shares)


@pytest.mark.parametrize(
    ("price", "shares", "score"),
    [(5000, 100, 100.0), (4825, 100, 25.0), (4650, 100, 0.0), (5000, 49, 0.0), (4900, 70, 70 * (250 / 350) ** 2)],
)
def test_order_scores(price, shares, score):
    """((v - s) / v)^2 x size within 3.5 cents of the middle, from 50 shares on."""
    assert order_score(resting(price, shares), 5000) == pytest.approx(score)


def test_one_side_scores_a_third():
    """An account that quotes one side gets a third of it where the middle is in [0.10, 0.90], nothing outside."""
    one = [resting(4900, 100)]
    both = [*one, resting(5100, 50, "SELL")]
    bid = order_score(one[0], 5000)
    assert account_score(one, 5000) == pytest.approx(bid / 3)
    assert account_score(both, 5000) == pytest.approx(bid / 2)
    assert account_score([resting(900, 100)], 950) == 0


def test_small_levels_do_not_move_the_middle(site):
    """The middle for rewards leaves out levels below the smallest scoring size."""
    client(site, 220).create_and_post_order(OrderArgs(token_id=YES, price=0.50, size=5, side="BUY"))
    market = site.venue.exchange.markets[CONDITION]
    assert market.book.bids.best() == 5000
    assert site.do(lambda: middle(market)) == 5000


def test_rewards_accrue_and_are_paid(site):
    """A maker's share of each minute's pool accrues, shows on every reward route, and is paid when the day is over."""
    trader = client(site, 221)
    near = trader.create_and_post_order(OrderArgs(token_id=YES, price=0.49, size=1000, side="BUY"))["orderID"]
    far = trader.create_and_post_order(OrderArgs(token_id=YES, price=0.30, size=1000, side="BUY"))["orderID"]
    assert trader.is_order_scoring(OrderScoringParams(near)) == {"scoring": True}
    assert trader.are_orders_scoring(OrdersScoringParams([near, far])) == {near: True, far: False}
    site.step()
    percentage = trader.get_reward_percentages()[CONDITION]
    assert 0 < percentage < 50
    (row,) = trader.get_earnings_for_user_for_day(TODAY)
    assert (row["condition_id"], row["earnings"]) == (CONDITION, pytest.approx(percentage / 100, abs=1e-6))
    for _ in range(5):
        site.step()
    (total,) = trader.get_total_earnings_for_user_for_day(TODAY)
    assert total["earnings"] == pytest.approx(6 * percentage / 100, rel=0.2)
    mine = {m["condition_id"]: m for m in trader.get_user_earnings_and_markets_config(TODAY)}
    assert mine[CONDITION]["earning_percentage"] == pytest.approx(percentage, rel=0.2)
    site.do(lambda: setattr(site.source, "now_s", START_S + 86_400 - 60))
    site.step()
    paid = round(10_000 + total["earnings"], 4)
    cash = site.do(lambda: site.venue.account_of(trader.get_address()).cash_micro)
    assert cash / MICRO == pytest.approx(paid, abs=1.0)
    rows = httpx2.get(
        site.urls["data"] + "/v2/activity", params={"user": trader.get_address(), "type": "REWARD"}
    ).json()
    assert rows["data"][0]["usdc_size"] == pytest.approx(cash / MICRO - 10_000)
    assert trader.get_notifications()[0]["type"] == 5


def test_markets_state_their_rewards(site):
    """CLOB lists and Gamma name the same daily rate; without --rewards nothing is listed and nothing scores."""
    (first, *_) = client(site, 222).get_current_rewards()
    assert (first["native_daily_rate"], first["rewards_config"][0]["rate_per_day"]) == (1440, 1440)
    (raw,) = client(site, 222).get_raw_rewards_for_market(CONDITION)
    assert raw["tokens"][0]["token_id"] == YES
    gamma = httpx2.get(site.urls["gamma"] + "/markets", params={"condition_ids": CONDITION}).json()
    assert gamma[0]["clobRewards"][0]["rewardsDailyRate"] == 1440
    with Background() as plain:
        trader = client(plain, 223)
        assert trader.get_current_rewards() == []
        made = trader.create_and_post_order(OrderArgs(token_id=YES, price=0.49, size=1000, side="BUY"))["orderID"]
        assert trader.is_order_scoring(OrderScoringParams(made)) == {"scoring": False}


def test_rebates_come_out_of_fees(site):
    """A maker gets its category's share of the fees that takers of its orders paid; nothing is created."""
    trader = client(site, 224)
    trader.create_and_post_order(OrderArgs(token_id=YES, price=0.50, size=1000, side="BUY"))
    site.step((Side.SELL, 4900, 1000))
    site.do(lambda: site.venue.settlement.advance(site.venue.wall_s() + 10))
    fee = 1000 * 0.05 * 0.25
    asked = {"date": TODAY, "maker_address": trader.get_address()}
    (row,) = httpx2.get(site.urls["clob"] + "/rebates/current", params=asked).json()
    assert float(row["rebated_fees_usdc"]) == pytest.approx(
        fee * rebate_share(site.venue.exchange.markets[CONDITION].listing.category)
    )
    fees = site.do(lambda: site.venue.exchange.fees_micro)
    site.do(lambda: setattr(site.source, "now_s", START_S + 86_400 - 60))
    site.step()
    assert site.do(lambda: site.venue.exchange.fees_micro) == fees - round(float(row["rebated_fees_usdc"]) * MICRO)
