"""The way from a tick to an order: the running service sends the order, and it follows the tick's direction."""

import pytest

from benchmarks.series_speed import account, decided, series_markets, strategy
from benchmarks.series_ticks import Ticks, tick_to_order
from benchmarks.series_world import FIRST_S
from pipelines.core.domain import Outcome, Quote, Side
from pipelines.core.money import MICRO


@pytest.mark.slow
def test_the_service_sends_the_orders_of_ticks_between_bars():
    """A higher price buys Up or sells Down, a lower one the other way round, and the request begins before the answer.
    A tick in the last tenth of a bar waits for it, so not every tick has an order in time."""
    found = tick_to_order(6)

    assert found.sent == 6
    assert len(found.took_ms) >= 2
    for move, side, outcome in found.sides:
        assert ((side is Side.BUY) == (outcome is Outcome.YES)) == (move > 0.0)
    assert all(0.0 < signed < took for signed, took in zip(found.signed_ms, found.took_ms, strict=True))


def test_ticks_that_led_to_no_order_are_counted_and_none_at_all_is_an_error():
    """A figure of a path that was not walked is no figure."""
    walked = Ticks(sent=3, sides=[(2e-4, Side.BUY, "YES")], took_ms=[2.0], signed_ms=[1.0])

    assert walked.document()["ticks_without_order"] == 2
    with pytest.raises(RuntimeError, match="none of 3 ticks"):
        Ticks(sent=3).document()


def test_a_decision_reads_the_board_at_its_own_time():
    """The speed of decisions is measured with fair values that change from second to second."""
    markets, board = series_markets()
    one = next(each for each in markets if each.settlement is not None and each.settlement.symbol == "BTC")
    fairs = {board.fair(one.settlement, (FIRST_S + 20 + k) * 1_000)[0] for k in range(10)}
    quote = Quote(2_950, 3_050, 200 * MICRO, 200 * MICRO)
    made = decided(one, board, (FIRST_S + 20) * 1_000, quote, strategy(), account({one.market_id: one}))

    assert len(markets) == 40
    assert len(fairs) == 10
    assert made.ts_s == FIRST_S + 20
