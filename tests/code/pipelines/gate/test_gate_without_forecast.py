"""A policy that acts on no forecast is judged by what it earns over events and periods."""

import pytest

from pipelines.gate import criteria
from pipelines.gate.contender import Traded
from pipelines.gate.earned import FEWEST_DAYS, pnl_by_period
from pipelines.replay.loop import Result, Tape

RESTS = Traded(None, {}, {0: 1.0, 1: 2.0}, by_forecast=False, rests=True)


def test_a_bound_over_periods_has_to_be_above_zero():
    """The text has the number of periods and the bound; zero is not enough."""
    assert criteria.by_period("micro_trades", RESTS, 0.01).passed
    assert not criteria.by_period("micro_trades", RESTS, 0.0).passed
    assert "over 2 periods is +0.01" in criteria.by_period("micro_trades", RESTS, 0.01).text


@pytest.mark.parametrize(("days", "periods"), [(1, 3), (FEWEST_DAYS, FEWEST_DAYS)])
def test_periods_are_days_or_hours(days, periods):
    """Few days are cut into hours, many are taken whole; a market without a trade counts with 0."""
    step_s = 86_400 if days > 1 else 3_600
    ends = {f"m{k}": step_s * k + 60 for k in range(periods)}
    result = Result(open_pnl_micro={"m1": 2_000_000})

    found = pnl_by_period(result, Tape((), dict.fromkeys(ends), ends, {}))

    assert sorted(found.values()) == [0.0] * (periods - 1) + [2.0]
