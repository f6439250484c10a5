"""The page of a market shows what was seen, forecast, decided and traded there, also after it has left."""

from dataclasses import replace

import numpy as np
import pytest
from serving_desk import make_intent, make_market

from pipelines.core.domain import Bar, Direction, Forecast, Quote
from pipelines.decide import Decision, Inputs
from pipelines.trading.policies.threshold import Threshold
from serving.dashboard import market_page
from serving.dashboard.market_records import DECISIONS, LEFT, MarketRecords, document
from serving.loaded_model import Turn


class _Rules:
    policy = Threshold.make({"impact_share": 0.125, "bar_length_s": 60})


def _inputs(number, ts_s, mid=5_000, move=0.1):
    market = make_market(number)
    mean = np.linspace(0.0, move, 24)
    bar, quote = Bar(market.market_id, ts_s, mid, 0, 0, 200), Quote(mid - 100, mid + 100, 10**9, 10**9)
    return Inputs(market, bar, quote, np.arange(15.0), Forecast(mean, mean - 0.2, mean + 0.2, 0.7), 0.25)


def _turn(ts_s, numbers, **changes):
    inputs = tuple(_inputs(number, ts_s, **changes) for number in numbers)
    holds = [Decision(ts_s, one.market.market_id, "hold", Direction.FLAT, 0.0, None, None, 0.7, ()) for one in inputs]
    return Turn(ts_s, inputs, tuple(holds), 0.0, 0.0)


def test_the_page_shows_the_forecast_of_now_and_of_an_hour_ago():
    """Fans begin at the price of their bar, go a bar at a time to the horizon, and hold the mean between the bounds."""
    records = MarketRecords()
    for minute in range(90):
        records.add(_turn(60 * minute, [1], mid=4_000 + minute), {}, _Rules, armed=True)
    found = document(records.of(make_market(1).market_id), 60)

    assert len(found["prices"]) == 90
    assert found["prices"][-1] == [5_340, 0.4089, 0.3989, 0.4189]
    for fan, start in ((found["fan"], 5_340), (found["fan_hour_ago"], 5_340 - 3_600)):
        assert [row[0] for row in fan] == [start + 60 * step for step in range(25)]
        assert fan[0][1:] == [(4_000 + start // 60) / 10_000] * 3
        assert all(lower < mean < upper for _, mean, lower, upper in fan[1:])
    assert all(one["why"] for one in found["decisions"])
    assert [one["meaning"] != "" for one in found["features"]] == [True] * len(found["features"])


def test_a_market_that_left_keeps_its_page_and_the_memory_stays_small():
    """What is no longer decided can still be opened; the oldest of those that left are dropped beyond a number."""
    records = MarketRecords()
    for number in range(1, LEFT + 51):
        records.add(_turn(60 * number, [number]), {}, _Rules, armed=False)
    for bar in range(DECISIONS + 20):
        records.add(_turn(10**6 + 60 * bar, [1_000]), {}, _Rules, armed=False)

    kept = [number for number in range(1, LEFT + 51) if records.of(make_market(number).market_id)]
    assert kept == list(range(51, LEFT + 51))
    assert len(records.of(make_market(1_000).market_id).decisions) == DECISIONS


def test_own_orders_and_fills_of_the_market_alone_are_shown(desk):
    """Fills carry the YES price that the chart marks, whichever outcome was traded."""
    about, other = make_market(1), make_market(2)
    desk.accounting.know(other)
    for market in (about, other):
        desk.execution.submit(make_intent(market))
    desk.execution.sync()
    found = market_page.of_journal(desk.journal, about.market_id)

    assert len(found["orders"]) == len(found["fills"]) == 1
    assert found["fills"][0]["yes_price"] == pytest.approx(0.52)
    assert found["orders"][0]["reason"] == "enter"
    assert found["payout"] is None
    desk.accounting.settle(about.market_id, 1_000_000, 9_999)
    assert market_page.of_journal(desk.journal, about.market_id)["payout"] == {"yes": 1.0, "pusd": 10.0}


def test_a_market_that_is_not_warm_has_no_forecast():
    """Before a window is warm the page shows prices and the reason, and no made-up fan or feature."""
    records = MarketRecords()
    turn = _turn(60, [1])
    records.add(replace(turn, inputs=(replace(turn.inputs[0], warm=False),)), {}, _Rules, armed=True)
    found = document(records.of(make_market(1).market_id), 60)

    assert (found["fan"], found["fan_hour_ago"], found["features"]) == ([], [], [])
    assert "not warm" in found["decisions"][0]["why"]
