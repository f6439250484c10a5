"""What trades were worth: where the money went and whether confidence means something."""

import sys
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from pipelines.backtest import attribution, stress
from pipelines.backtest.strategies import Comparison, done, job
from pipelines.core.domain import Fill, Outcome, Side
from pipelines.engine.metrics import pnl_by_market
from pipelines.engine.replay import Result
from pipelines.trading.ledger import Closed

sys.path.insert(0, str(Path(__file__).parents[1] / "engine"))
from test_engine_identity import PARAMS, TABLE, history, scaler


@pytest.fixture(scope="module")
def comparison():
    """Six random markets."""
    return Comparison([history(seed) for seed in range(1, 7)], PARAMS, TABLE, scaler(), 60)


SOLD = (4_375, 4_275, 4_175)
"""Prices of the three parts of a sale into a mid of 0.45."""


def worthless(seed):
    """A market that trades at 0.45 on its last bar, and pays nothing."""
    known = history(seed)
    mid = np.append(known.mid_units[:-2], [4_000, 4_500])
    return replace(known, mid_units=mid, payout_micro=0)


def sold_at_the_end(histories):
    """300 shares bought at 0.41 (mid 0.40) on the last bar but one of every market, sold in three parts on the last."""
    result = Result()
    for one in histories:
        name, (opened, closed) = one.market.market_id, one.ts_s[-2:].tolist()
        result.fills.append(Fill("b", "b", name, "1", Outcome.YES, Side.BUY, 4_100, 300_000_000, 0, opened))
        result.fills += [
            Fill("s", "s", name, "1", Outcome.YES, Side.SELL, price, 100_000_000, 0, closed) for price in SOLD
        ]
        gains = [Decimal(price - 4_100) / 100 for price in SOLD]
        result.closed += [Closed(name, Outcome.YES, opened, closed, Decimal(100), gain, "exit") for gain in gains]
    return result


def test_costs_on_the_last_bar_are_measured_from_the_mid_and_not_from_the_payout():
    """At the mids 300 shares gain 0.05 each; the buy crosses 3.00 and the sale 1.25 + 2.25 + 3.25, whatever the market
    pays later."""
    histories = [worthless(1)]
    costs = attribution.document(sold_at_the_end(histories), histories, 60)["costs_pusd"]
    assert costs == {"at_mid": 15.0, "spread_and_impact": 9.75, "fees": 0.0, "net": 5.25}


def test_a_trip_that_ends_on_the_last_bar_went_the_way_of_the_mid():
    """From 0.40 to 0.45 is up for every long one, though the market pays nothing."""
    histories = [worthless(seed) for seed in range(1, 6)]
    (group,) = attribution.document(sold_at_the_end(histories), histories, 60)["calibration"]
    assert (group["trips"], group["right"], group["paid"]) == (5, 1.0, 1.0)


def test_costs_explain_the_difference_to_the_mid(comparison):
    """P&L at the mids, less spread and impact, less fees, is the P&L; half a spread and the impact are paid a fill."""
    run = done(comparison, job(comparison, "threshold"))
    known = attribution.document(run.result, comparison.histories, 60)
    parts = known["costs_pusd"]
    assert parts["net"] == pytest.approx(run.figures.pnl_pusd, abs=1e-3)
    assert parts["at_mid"] - parts["spread_and_impact"] - parts["fees"] == pytest.approx(parts["net"], abs=1e-4)
    by_hand = 0.0
    quotes = {(one.market.market_id, ts_s): one for ts_s, bars in comparison.tape.steps for one in bars}
    for fill in run.result.fills:
        seen = quotes[fill.market_id, fill.ts_s]
        mid = seen.bar.mid_units if fill.outcome == "YES" else 10_000 - seen.bar.mid_units
        by_hand += abs(fill.price_units - mid) * fill.shares_micro / 1e10
    assert parts["spread_and_impact"] == pytest.approx(by_hand, abs=1e-3)
    assert sum(known["pnl_by_market_pusd"].values()) == pytest.approx(sum(pnl_by_market(run.result).values()), abs=1e-4)


def test_round_trips_are_grouped_by_the_confidence_of_their_decision(comparison):
    """Groups rise in confidence, count every round trip once, and a trip that went its way is one that moved."""
    run = done(comparison, job(comparison, "threshold"))
    groups = attribution.document(run.result, comparison.histories, 60)["calibration"]
    confidence = [group["confidence"] for group in groups]
    assert len(groups) > 1
    assert confidence == sorted(confidence)
    assert min(confidence) >= PARAMS.risk.min_confidence
    assert sum(group["trips"] for group in groups) == run.figures.round_trips
    assert all(0.0 <= group["paid"] <= group["right"] <= 1.0 for group in groups)


def test_too_few_round_trips_say_nothing(comparison):
    """Cash has no trips and no groups."""
    run = done(comparison, job(comparison, "cash"))
    assert attribution.document(run.result, comparison.histories, 60)["calibration"] == []


def test_every_circumstance_has_its_row(comparison):
    """Fees twice, latency twice and four times, and the three queues, together, for each kind that is asked for."""
    document = stress.document([done(comparison, one) for one in stress.jobs(comparison, ["threshold"])])
    assert list(document["latency_pnl_pusd"]["threshold"]) == ["2x", "4x"]
    assert list(document["resting_pnl_pusd"]["threshold"]) == ["pessimistic", "neutral", "optimistic"]
    assert np.isfinite(document["fee_2x_pnl_pusd"]["threshold"])
    assert np.isfinite(document["literal_stops_pnl_pusd"])
