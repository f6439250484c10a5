"""The way from a tick to an order: every tick is new, and the order that is sent is the one that it led to."""

import pytest

from benchmarks.series_speed import account, decided, series_markets, strategy
from benchmarks.series_ticks import Ticks, tick_to_order
from benchmarks.series_world import FIRST_S
from pipelines.core.domain import Outcome, Quote
from pipelines.core.money import MICRO


@pytest.mark.slow
def test_every_tick_is_taken_and_its_order_follows_its_direction():
    """The board takes all ticks, each moves the fair value, and a higher price buys Up, a lower one Down."""
    found = tick_to_order(6)
    middle = sum(price for price, _ in found.bought) / len(found.bought)

    assert (found.sent, found.taken, found.moved) == (6, 6, 6)
    assert {side for _, side in found.bought} == {Outcome.YES, Outcome.NO}
    assert all((side is Outcome.YES) == (price > middle) for price, side in found.bought)
    assert len(found.took_ms) == len(found.signed_ms) == len(found.bought)
    assert all(0.0 < signed < took for signed, took in zip(found.signed_ms, found.took_ms, strict=True))


def test_ticks_that_led_to_no_order_are_counted_and_none_at_all_is_an_error():
    """A figure of a path that was not walked is no figure."""
    walked = Ticks(sent=3, taken=3, moved=3, bought=[(1.0, Outcome.YES)], took_ms=[2.0], signed_ms=[1.0])

    assert walked.document()["ticks_without_order"] == 2
    with pytest.raises(RuntimeError, match="0 of 3 were taken"):
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
