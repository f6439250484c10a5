from dataclasses import replace

import numpy as np
import pytest

from pipelines.core.domain import FeeSchedule, Market
from pipelines.gate.evidence import (
    Losses,
    coverage,
    losses,
    skill_of_events,
    skill_of_periods,
    squared_errors,
)
from pipelines.replay.bounds import total_bound
from pipelines.replay.market_history import History


def histories(events, edge, seed, bars=400):
    """Events of two markets whose mid reverts towards 0.5 by `edge`; forecasts that know the reversion, plus noise."""
    rng = np.random.default_rng(seed)
    made = []
    for number in range(events * 2):
        pull = edge * 0.03
        price = np.empty(bars)
        price[0] = 0.5
        for k in range(1, bars):
            price[k] = np.clip(price[k - 1] - pull * (price[k - 1] - 0.5) + rng.normal(0, 0.01), 0.05, 0.95)
        mid = (price * 200).round().astype(np.int64) * 50
        gap = mid / 10_000 - 0.5
        change = -gap[:, None] * (1 - (1 - 0.03) ** np.arange(1, 25))[None] * 4.0
        mean = change * (1.0 if edge else 0.3) + rng.normal(0, 0.01, (bars, 24))
        market = Market(
            market_id=f"0x{number}",
            event_id=f"e{number // 2}",
            question="q",
            token_yes="1",
            token_no="2",
            tick_units=100,
            min_size_micro=1,
            fee=FeeSchedule(0.0),
            start_s=None,
            end_s=None,
            topic="",
        )
        zeros = np.zeros(bars, dtype=np.int64)
        made.append(
            History(
                market,
                60 * np.arange(bars),
                mid,
                mid - 50,
                mid + 50,
                zeros,
                zeros,
                np.zeros((bars, 15)),
                np.zeros(bars),
                mean,
                mean,
                mean,
                np.ones(bars),
            )
        )
    return made


def judged(made, seed=0):
    """Skill as the gate measures it, with whole events as clusters."""
    return skill_of_events(losses(made, 5, 24, 60, 8), level=0.95, samples=500, seed=seed)


def judged_by_period(made, periods=8):
    """Skill with consecutive parts of the slice as clusters."""
    return skill_of_periods(losses(made, 5, 24, 60, periods), level=0.95)


def test_persistence_has_no_skill():
    """A forecast of no change is persistence: its skill and its bound are exactly 0."""
    flat = [replace(one, mean=np.zeros_like(one.mean)) for one in histories(6, 1.0, 1)]
    measured = judged(flat)
    assert (measured.value, measured.lower) == (pytest.approx(0.0, abs=1e-9), pytest.approx(0.0, abs=1e-9))


def test_a_forecast_that_knows_is_found():
    """A planted edge passes the bound."""
    measured = judged(histories(10, 1.0, 2))
    assert measured.lower > 0.0
    assert measured.clusters == 10


def test_noise_fools_the_bound_rarely():
    """Without an edge at most one in twenty candidates passes the bound: 6 of 60 is the 95 % binomial limit."""
    passed = sum(judged(histories(8, 0.0, seed, bars=120)).lower > 0.0 for seed in range(60))
    assert passed <= 6


def test_a_gap_is_no_price():
    """A horizon that would jump over a gap is not judged."""
    one = histories(1, 1.0, 3)[0]
    late = replace(one, ts_s=one.ts_s + np.where(np.arange(len(one)) >= 200, 600, 0))
    assert squared_errors(late, 5, 5, 60)[:, 2].sum() == squared_errors(one, 5, 5, 60)[:, 2].sum() - 5


def test_a_period_that_was_good_for_all_events_at_once_counts_once():
    """Skill that all events owe to one stretch of time passes over events and not over periods of equal weight."""
    lucky = Losses(
        {f"e{k}": (9.0 + 0.1 * (k % 3), 10.0) for k in range(20)}, np.array([[2.0, 20.0]] + [[25.5, 25.7]] * 7), 1
    )
    steady = replace(lucky, by_period=np.array([[22.0 + 0.1 * k, 25.0] for k in range(8)]))
    assert skill_of_events(lucky, level=0.95, samples=500).lower > 0.0
    assert skill_of_periods(lucky, level=0.95).lower < 0.0
    assert skill_of_periods(steady, level=0.95).lower > 0.0


def test_periods_in_which_the_price_never_moved_say_nothing():
    """A quiet period has no skill to measure; a slice of them alone has no bound."""
    still = [replace(one, mid_units=np.full(len(one), 5_000)) for one in histories(2, 0.0, 5)]
    assert judged_by_period(still).lower == float("-inf")
    assert judged_by_period(still).clusters == 0


def test_noise_fools_the_periods_rarely():
    """Without an edge at most one in twenty candidates passes: 6 of 60 is the 95 % binomial limit."""
    passed = sum(judged_by_period(histories(8, 0.0, seed, bars=120)).lower > 0.0 for seed in range(60))
    assert passed <= 6


def test_the_sums_of_events_and_of_periods_are_of_the_same_bars():
    """Both clusterings split the same losses, so their totals agree."""
    found = losses(histories(4, 1.0, 6), 5, 24, 60, 7)
    assert np.allclose(np.sum(list(found.by_event.values()), axis=0), found.by_period.sum(axis=0))


def test_a_gain_that_one_event_made_has_no_bound_above_zero():
    """The bound of a P&L knows that one event of twenty made it all; the same total spread evenly passes."""
    assert total_bound([2_000.0] + [0.0] * 19, level=0.95, samples=500) <= 0.0
    assert total_bound([100.0 + k for k in range(20)], level=0.95, samples=500) > 0.0
    assert total_bound([5.0], level=0.95, samples=500) == float("-inf")


def test_coverage_counts_the_moves_inside_the_interval():
    """An interval that holds every move covers all, an empty one only what did not move."""
    wide = [replace(one, lower=one.mean * 0 - 9.0, upper=one.mean * 0 + 9.0) for one in histories(2, 0.0, 7)]
    narrow = [replace(one, lower=one.mean * 0 + 8.0, upper=one.mean * 0 + 9.0) for one in histories(2, 0.0, 7)]
    assert coverage(wide, 5, 24, 60) == 1.0
    assert coverage(narrow, 5, 24, 60) == 0.0
