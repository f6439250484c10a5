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
from pipelines.core.products import AGENT
from pipelines.replay.loop import Result
from pipelines.replay.performance import pnl_by_market
from pipelines.trading.ledger import Closed

sys.path.insert(0, str(Path(__file__).parents[1] / "replay"))
from test_replay_identity import PARAMS, TABLE, history, scaler


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
        result.fills.append(
            Fill(
                fill_id="b",
                order_id="b",
                market_id=name,
                token_id="1",
                outcome=Outcome.YES,
                side=Side.BUY,
                price_units=4_100,
                shares_micro=300_000_000,
                fee_micro=0,
                ts_s=opened,
            )
        )
        result.fills += [
            Fill(
                fill_id="s",
                order_id="s",
                market_id=name,
                token_id="1",
                outcome=Outcome.YES,
                side=Side.SELL,
                price_units=price,
                shares_micro=100_000_000,
                fee_micro=0,
                ts_s=closed,
            )
            for price in SOLD
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


def dipping(seed):
    """A market that falls from 0.50 by a tick every second bar to 0.45 and comes back, with a forecast of a rise all
    the time. The dip is more than spread + 2 ticks, and less than two round trips."""
    known = history(seed, bars=30)
    ticks = [*range(50, 45, -1), *range(45, 50)]
    mid = 100 * np.append(np.repeat(ticks, 2), np.full(10, 50))
    mean = np.tile(np.linspace(0.0, 0.8, 24), (30, 1))
    return replace(
        known, market=replace(known.market, end_s=known.market.end_s + 86_400), mid_units=mid, bid_units=mid - 100,
        ask_units=mid + 100, spread_units=np.full(30, 200), mean=mean, lower=mean - 0.1, upper=mean + 0.1,
        confidence=np.full(30, 0.9),
    )  # fmt: skip


@pytest.fixture(scope="module")
def stressed():
    """The threshold rule on two such markets, as it is and under every stress, by name."""
    comparison = Comparison([dipping(seed) for seed in (1, 2)], PARAMS, TABLE, scaler(), 60)
    jobs = [job(comparison, "threshold"), *stress.jobs(comparison, {"threshold": (None, AGENT)})]
    return {one.name: done(comparison, one) for one in jobs}


def test_every_circumstance_has_its_row(stressed):
    """Fees twice, latency twice and four times, and the three queues, together, for each kind that is asked for."""
    document = stress.document([run for name, run in stressed.items() if name != "threshold"])
    pnl = {name: run.figures.pnl_pusd for name, run in stressed.items()}
    assert document == {
        "fee_2x_pnl_pusd": {"threshold": pnl["fee_2x/threshold"]},
        "latency_pnl_pusd": {"threshold": {late: pnl[f"latency/threshold/{late}"] for late in ("2x", "4x")}},
        "resting_pnl_pusd": {
            "threshold": {queue: pnl[f"queue/threshold/{queue}"] for queue in ("pessimistic", "neutral", "optimistic")}
        },
        "literal_stops_pnl_pusd": pnl["literal_stops"],
    }
    assert list(document["latency_pnl_pusd"]["threshold"]) == ["2x", "4x"]
    assert list(document["resting_pnl_pusd"]["threshold"]) == ["pessimistic", "neutral", "optimistic"]
    assert np.isfinite(list(pnl.values())).all()


def test_twice_the_fee_earns_less_with_the_same_orders(stressed):
    """Where the same entries are made and held, the budget buys less: every fill pays twice its fee, and P&L falls."""
    base, dear = stressed["threshold"], stressed["fee_2x/threshold"]
    assert [(one.market_id, one.ts_s, one.price_units) for one in dear.result.fills] == [
        (one.market_id, one.ts_s, one.price_units) for one in base.result.fills
    ]
    per_share = [
        [one.fee_micro / one.shares_micro for one in run.result.fills if one.fee_micro] for run in (base, dear)
    ]
    assert len(per_share[0]) > 0
    assert per_share[1] == pytest.approx([2 * fee for fee in per_share[0]], rel=1e-3)
    assert dear.figures.pnl_pusd < base.figures.pnl_pusd


def test_slower_orders_fill_later(stressed):
    """The same first decision fills one, two and four bars later; where the price falls meanwhile, that is cheaper."""
    runs = [stressed[name] for name in ("threshold", "latency/threshold/2x", "latency/threshold/4x")]
    first = [run.result.fills[0] for run in runs]
    began = runs[0].result.ts_s[0]
    assert [(one.ts_s - began) // 60 for one in first] == [1, 2, 4]
    assert first[0].price_units > first[1].price_units > first[2].price_units
    assert runs[0].figures.pnl_pusd < runs[1].figures.pnl_pusd < runs[2].figures.pnl_pusd


def test_literal_stops_sell_in_a_dip_that_the_floored_ones_sit_out(stressed):
    """A dip of five ticks meets a stop of spread + 2 ticks and none of two round trips; to sell and buy back costs."""
    base, literal = stressed["threshold"], stressed["literal_stops"]
    assert base.result.closed == []
    assert "stop_loss" in {one.reason for one in literal.result.closed}
    assert literal.figures.pnl_pusd < base.figures.pnl_pusd
