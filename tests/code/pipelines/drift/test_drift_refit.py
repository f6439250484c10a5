"""A filter that is fitted on the recent bars: what it may read, and when it proves that a bundle lies behind."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from pipelines.core.params import load
from pipelines.drift import refit
from pipelines.drift.refit import Refit
from pipelines.drift.verdict import _refit
from pipelines.features import likelihood
from pipelines.features.scale import log_odds
from pipelines.features.state_space_batch import Columns

BARS, MARKETS, EVENTS = 240, 12, 6


def _columns(seed: int = 3) -> tuple[Columns, np.ndarray]:
    """Markets whose quotes bounce, two of each event, and the number of each bar's event."""
    random = np.random.default_rng(seed)
    walk = np.cumsum(random.normal(0.0, 0.02, (MARKETS, BARS)), axis=1) + random.normal(0.0, 0.04, (MARKETS, BARS))
    units = np.clip(np.round(1e4 / (1.0 + np.exp(-walk))), 100, 9_900).astype(np.int64).ravel()
    count = len(units)
    starts = np.arange(count) % BARS == 0
    zeros = np.zeros(count)
    columns = Columns(log_odds(units), units, np.full(count, 100.0), zeros, zeros.astype(np.int64), zeros + 1e6, starts)
    return columns, np.repeat(np.arange(MARKETS) % EVENTS, BARS)


def test_no_event_is_forecast_by_a_filter_that_was_fitted_on_it():
    """Bars of an event change the forecasts of the other half of the events and, of its own half, none but its own."""
    columns, events = _columns()
    before = refit.ahead(columns, events, 5)
    mine = events == 0
    odds = np.where(mine, columns.odds[::-1], columns.odds)
    after = refit.ahead(replace(columns, odds=odds), events, 5)

    parts = {event: events == event for event in range(EVENTS)}
    moved = {event for event, part in parts.items() if not np.array_equal(before[part], after[part])}

    assert np.isfinite(before).all()
    assert len(moved) == 1 + EVENTS // 2
    assert 0 in moved


def test_too_few_events_are_not_judged():
    """With three events no half can teach the other: no forecast, no finding."""
    columns, events = _columns()

    assert np.isnan(refit.ahead(columns, events % 3, 5)).all()


def test_a_venue_of_any_size_teaches_a_filter_no_more_than_its_sample():
    """Whole runs are drawn up to the bars that a filter is fitted on."""
    starts, bars = np.arange(5_000) * 1_000, np.full(5_000, 1_000)
    chosen = likelihood.drawn(starts, bars, seed=0)

    assert likelihood.BARS <= 1_000 * len(chosen) < likelihood.BARS + 1_000


def _frame(events: int, share: float, gain: float, seed: int = 5) -> pd.DataFrame:
    """Moves of which the bundle and its filter explain a part, and a refitted filter some more."""
    random = np.random.default_rng(seed)
    known, late, noise = random.normal(size=(3, events, 400))
    parts = [np.sqrt(share) * known, np.sqrt(gain) * late, np.sqrt(1.0 - share - gain) * noise]
    left = (parts[1] + parts[2]).ravel()
    return pd.DataFrame(
        {
            "event_id": np.repeat([f"e{i}" for i in range(events)], 400),
            "move": sum(parts).ravel(),
            "residual": left,
            "filter_residual": left,
            "refit_residual": parts[2].ravel(),
        }
    )


@pytest.mark.parametrize(
    ("events", "share", "gain", "behind"),
    [
        (20, 0.08, 0.05, True),  # five parts of thirteen are missed
        (20, 0.08, 0.00, False),  # nothing more is to be found
        (20, 0.20, 0.03, False),  # surely more, but less than a fifth of it
        (2, 0.08, 0.05, False),  # two events prove nothing
        (400, 0.01, 0.006, False),  # surely more than a fifth, but half a percent of the squared moves
    ],
)
def test_a_bundle_lies_behind_where_a_fifth_is_surely_missed(events: int, share: float, gain: float, behind: bool):
    """All are asked: less than `drift.refit_share` of what the refitted filter finds, a lead that is sure, and one that
    is worth a shorter window."""
    found = _refit(_frame(events, share, gain), load().drift)

    assert found["behind"] is behind
    assert bool(found["reasons"]) is behind


def test_a_filter_that_its_shrink_silenced_is_no_changed_world():
    """A bundle that keeps nothing of a filter that finds as much as the refitted one was careful; it is not behind."""
    frame = _frame(20, 0.0, 0.1)
    frame["filter_residual"] = frame["refit_residual"]
    found = Refit.of(frame, 0.999)

    assert found is not None
    assert found.lead_over_bundle > 0.0 >= found.lead_over_filter
    assert not _refit(frame, load().drift)["behind"]


def test_where_nothing_is_to_be_found_nobody_lies_behind():
    """A bundle that loses against the price does so by itself: a refitted filter that finds nothing shows no world."""
    frame = _frame(200, 0.0, 0.0)
    frame["residual"] = frame["filter_residual"] = 1.02 * frame["move"]
    frame["refit_residual"] = frame["move"]
    found = Refit.of(frame, 0.999)

    assert found is not None
    assert found.lead_over_bundle > 0.02
    assert not _refit(frame, load().drift)["behind"]


def test_a_bundle_without_a_filter_is_not_asked():
    """Where the columns are missing nothing was found and nothing is said."""
    frame = _frame(20, 0.08, 0.05).assign(filter_residual=np.nan, refit_residual=np.nan)

    assert _refit(frame, load().drift) == {"reasons": []}
