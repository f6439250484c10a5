"""The funnel loses nobody: what a step lets through and what it loses add up to the step before."""

import itertools

import numpy as np
from serving_desk import make_intent, make_market

from pipelines.core.domain import Bar, Direction, Forecast, Quote
from pipelines.decide import Decision, Inputs, Reason, Refusal
from serving.dashboard.funnel import STEPS, BarFunnel, document, is_entry
from serving.loaded_model import Turn


def _inputs(number, warm=True):
    market, nothing = make_market(number), np.zeros(24)
    bar = Bar(market.market_id, 600, 5_000, 0, 0, 200)
    forecast = Forecast(nothing, nothing, nothing, 0.6)
    return Inputs(market, bar, Quote(4_900, 5_100, 10**9, 10**9), np.zeros(15), forecast, 0.0, 0, warm=warm)


def _decision(number, action, direction=Direction.FLAT, intent=None, refusal=None):
    return Decision(600, make_market(number).market_id, action, direction, 1.0, intent, refusal, 0.6, ())


def _turn():
    entry = make_intent(make_market(3))
    refused = Refusal(Reason.CONFIDENCE, "too low")
    made = [
        (_inputs(1), _decision(1, "hold")),
        (_inputs(2), _decision(2, "wait")),
        (_inputs(3), _decision(3, "enter_long", Direction.LONG, entry)),
        (_inputs(4), _decision(4, "enter_short", Direction.SHORT, entry)),
        (_inputs(5), _decision(5, "hold", Direction.LONG, None, refused)),
        (_inputs(6), _decision(6, "exit")),
        (_inputs(7, warm=False), _decision(7, "hold")),
    ]
    return Turn(600, tuple(one for one, _ in made), tuple(two for _, two in made), 0.0, 0.0)


def test_every_market_is_let_through_or_lost_under_one_reason():
    """Each step's count and losses add up to the count of the step before, whatever happened."""
    bar, turn = BarFunnel(), _turn()
    bar.listing(12, 9, {"beyond serving.max_markets": 2, "not started yet": 1})
    bar.decisions(turn, 9)
    entries = [made for made in turn.decisions if is_entry(made)]
    bar.kept_back("not armed")
    bar.sent()
    bar.answered(0, {"nothing to take": 1})
    steps = document(bar.counts)

    assert [one["step"] for one in steps] == list(STEPS)
    for before, after in itertools.pairwise(steps):
        assert after["count"] + sum(after["lost"].values()) == before["count"], (before, after)
    assert len(entries) == 2
    assert [one["count"] for one in steps] == [12, 9, 5, 3, 2, 1, 0]
    assert steps[4]["lost"] == {"confidence": 1}
    assert all(one["meaning"] for one in steps)


def test_the_day_adds_up_its_bars(desk):
    """The journal keeps the counts of a market day, over restarts too, and no other day's."""
    bar = BarFunnel()
    bar.listing(5, 4, {"beyond serving.max_markets": 1})
    for _ in range(3):
        day = desk.journal.conclude({}, 20_000, bar.counts)
    other = desk.journal.conclude({}, 20_001, bar.counts)

    assert day[("listed", "")] == 15
    assert day[("followed", "beyond serving.max_markets")] == 3
    assert other[("listed", "")] == 5
