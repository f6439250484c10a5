"""Latency: one distribution of measured stages, drawn by the order itself, with the hold of the market on top."""

from dataclasses import replace

import numpy as np
import pytest
from pydantic import ValidationError

from pipelines.core.domain import FeeSchedule, Market, Outcome, Quote, Side
from pipelines.core.orders import OrderIntent, OrderType
from pipelines.core.params import load
from pipelines.trading import latency
from pipelines.trading.paper import PaperBook

MARKET = Market(
    market_id="m", event_id="e", question="?", token_yes="1", token_no="2", tick_units=100, min_size_micro=5_000_000,
    fee=FeeSchedule(0.0), start_s=0, end_s=10_000, topic="crypto",
)  # fmt: skip
ORDER = OrderIntent(
    market_id="m", token_id="1", outcome=Outcome.YES, side=Side.BUY, price_units=9_000, shares_micro=10_000_000,
    tick_units=100, neg_risk=False, version="v1", reason="enter", ts_s=1_000, order_type=OrderType.FAK,
)  # fmt: skip
DECILES = load().execution.latency_ms


def executing(**changes):
    """The shipped costs with other latencies, and no impact."""
    return load().execution.model_copy(update={"impact_share": 0.0, **changes})


def filled(execution, market=MARKET, order=ORDER, length_s=1, bars=8):
    """(time, price) of the fills of an order on bars whose ask rises by a cent each."""
    book = PaperBook(execution, length_s)
    book.send(order, market)
    found = []
    for k in range(1, bars):
        quote = Quote(4_900 + 100 * k, 5_000 + 100 * k, 10**9, 10**9)
        found += book.on_bar("m", quote, order.ts_s + k * length_s, 0)
    return [(fill.ts_s - order.ts_s, fill.price_units) for fill in found]


def test_draws_have_the_distribution_that_was_measured():
    """The deciles of many orders' draws are those of the parameter, and a draw depends on its order alone."""
    drawn = [latency.drawn_s(DECILES, replace(ORDER, ts_s=one)) * 1_000 for one in range(4_000)]

    assert DECILES[0] <= min(drawn) and max(drawn) <= DECILES[-1]
    assert latency.deciles_ms(drawn)[1:-1] == pytest.approx(DECILES[1:-1], rel=0.06)
    assert latency.drawn_s(DECILES, ORDER) == latency.drawn_s(DECILES, replace(ORDER, shares_micro=1))
    assert latency.deciles_ms([]) == []
    assert latency.deciles_ms([7.0]) == [7.0] * 11


def test_a_taking_order_meets_the_book_after_latency_and_hold():
    """On bars of a second 0.2 s meet the next book, with a hold of 1.5 s the one after; what rests is not held."""
    quick, held = executing(latency_ms=[200.0] * 11), replace(MARKET, taker_delay_ms=1_500)
    resting = replace(ORDER, order_type=OrderType.GTD, post_only=True)

    assert filled(quick) == [(1, 5_100)]
    assert filled(quick, held) == [(2, 5_200)]
    assert filled(executing(latency_ms=[2_200.0] * 11), held) == [(4, 5_400)]
    assert latency.arrival_s(quick.latency_ms, resting, held) == pytest.approx(0.2)


def test_with_bars_of_a_minute_it_is_a_share_of_a_bar():
    """The order meets the next bar's book whatever was drawn, and a later one where `latency_bars` says so."""
    assert filled(executing(), length_s=60) == [(60, 5_100)]
    assert filled(executing(latency_bars=3), length_s=60) == [(180, 5_300)]


def test_an_order_never_meets_a_book_before_its_arrival():
    """For any draw and hold the first book that is met closed at or after the arrival: no look ahead."""
    rng = np.random.default_rng(5)
    for _ in range(200):
        held = replace(MARKET, taker_delay_ms=int(rng.integers(0, 4_000)))
        order = replace(ORDER, ts_s=int(rng.integers(0, 10**6)))
        execution = executing(latency_ms=sorted(rng.uniform(0.0, 3_000.0, 11).tolist()))
        arrives = latency.arrival_s(execution.latency_ms, order, held)
        ((after_s, price),) = filled(execution, held, order, bars=12)

        assert arrives <= after_s < arrives + 1.0
        assert price == 5_000 + 100 * after_s


@pytest.mark.parametrize("deciles", [[5.0] * 10, [10.0, 5.0, *[20.0] * 9], [-1.0] * 11])
def test_deciles_that_are_none_are_refused(deciles):
    """Eleven numbers that rise from the least to the largest, none below 0."""
    values = load().execution.model_dump() | {"latency_ms": deciles}
    with pytest.raises(ValidationError):
        type(load().execution).model_validate(values)
