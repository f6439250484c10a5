"""Baskets of one event are worth what they pay at least, less asks and fees, for what the thinnest leg shows."""

from dataclasses import replace

import pytest

from pipelines.core.domain import FeeSchedule, Market, Outcome, Quote
from pipelines.core.settlement import RuleKind, Settlement
from pipelines.trading import constraints

MARKET = Market(
    market_id="m", event_id="e", question="?", token_yes="1", token_no="2", tick_units=100, min_size_micro=5_000_000,
    fee=FeeSchedule(0.0), start_s=0, end_s=100, topic="",
)  # fmt: skip


def at(bid, ask, shares=100, fee=0.0, strike=None):
    """A market and its book."""
    rule = None
    if strike is not None:
        rule = Settlement(symbol="BTC", source="binance", kind=RuleKind.CANDLE, start_s=0, end_s=60, strike=strike)
    described = replace(MARKET, market_id=f"m{bid}-{ask}", fee=FeeSchedule(fee), settlement=rule)
    return described, Quote(bid, ask, shares * 1_000_000, shares * 1_000_000)


def test_no_of_every_exclusive_market_pays_all_but_one():
    """Bids that sum to 1.10 leave 0.10 a share; the thinnest book decides how many."""
    (basket,) = constraints.exclusive([at(4_000, 4_100, 50), at(4_000, 4_200), at(3_000, 3_100)])

    assert (basket.kind, basket.shares_micro, basket.pays_micro) == ("exclusive", 50_000_000, 100_000_000)
    assert basket.profit_micro == 5_000_000


def test_a_complete_set_is_bought_only_where_it_is_complete():
    """Asks that sum to 0.90 are no gain where nothing may win; with a complete set they are 0.10."""
    event = [at(4_000, 4_500), at(4_000, 4_500)]

    assert [one.kind for one in constraints.exclusive(event)] == ["exclusive"]
    complete = constraints.exclusive(event, complete=True)[1]
    assert (complete.kind, complete.profit_micro) == ("complete", 10_000_000)


def test_fees_are_paid_on_every_leg():
    """What is left without fees is gone with them."""
    free = constraints.exclusive([at(5_100, 5_200), at(5_000, 5_100)])[0]
    dear = constraints.exclusive([at(5_100, 5_200, fee=0.07), at(5_000, 5_100, fee=0.07)])[0]

    assert free.profit_micro > 0 > dear.profit_micro


def test_a_higher_level_is_never_worth_more():
    """A ladder whose higher rung is dearer than its lower one gives a nested basket with a sure gain."""
    (basket,) = constraints.ladder([at(5_500, 5_600, strike=78_000.0), at(5_000, 5_100, strike=76_000.0)])

    assert [one.outcome for one in basket.legs] == [Outcome.YES, Outcome.NO]
    assert basket.legs[0].market.settlement.strike == 76_000.0
    assert basket.profit_micro == 4_000_000


@pytest.mark.parametrize("empty", [(0, 5_000), (0, 10_000)])
def test_a_leg_that_nobody_offers_makes_no_basket(empty):
    """Without a bid for YES nobody offers NO."""
    assert constraints.exclusive([at(*empty), at(4_000, 4_100)]) == []


def test_only_levels_of_one_price_at_one_time_contain_each_other():
    """A range, another asset and another end are no rungs of a ladder, however cheap they look together."""
    low, high = at(3_000, 3_100, strike=70_000.0), at(5_000, 5_100, strike=72_000.0)

    def other(**changes):
        return replace(high[0], settlement=replace(high[0].settlement, **changes)), high[1]

    assert [one.kind for one in constraints.ladder([low, high])] == ["nested"]
    for changed in (other(upper=74_000.0), other(symbol="ETH"), other(source="chainlink"), other(end_s=120)):
        assert constraints.ladder([low, changed]) == []
