"""Would a forecaster that is trained again on the recent bars do better than the bundle?

A bundle can keep its skill in a market that has changed: where errors of the price are corrected sooner there is more
to forecast, and the bundle forecasts a smaller part of it. So a state-space filter is fitted on half of the recent
events and judged on the other half, and the other way round; the bundle is compared with it on the same bars.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import t as student

from pipelines.core.domain import FloatArray
from pipelines.drift.effects import clipped, ratio_error
from pipelines.drift.residuals import IntArray
from pipelines.features import likelihood
from pipelines.features.state_space_batch import Columns, states

REFIT = ("filter_residual", "refit_residual")
"""Columns: what the bundle's filter alone leaves of a move, and what a filter of other recent events does."""
LEAST_EVENTS = 4
"""With fewer recent events no filter is fitted."""


def ahead(columns: Columns, events: IntArray, horizon: int) -> FloatArray:
    """Forecasts (n,) in log-odds at a horizon, of every bar by a filter that was fitted on the events of the other
    half; NaN with fewer than `LEAST_EVENTS` events. `events` is the number of each bar's event."""
    known = np.unique(events)
    made = np.full(len(events), np.nan)
    if len(known) < LEAST_EVENTS:
        return made
    second = np.isin(events, np.random.default_rng(len(known)).permutation(known)[::2])
    for half in (~second, second):
        fitted = likelihood.fit(_sample(columns, ~half))
        left = states(fitted, columns.take(np.flatnonzero(half)))
        made[half] = fitted.forecast(left, horizon)[:, horizon - 1]
    return made


def _sample(columns: Columns, half: NDArray[np.bool_]) -> Columns:
    """Whole runs of one half, as many as a filter is fitted on."""
    starts = np.flatnonzero(columns.starts)
    sizes = np.diff(np.append(starts, len(half)))
    inside = half[starts]
    chosen = np.sort(likelihood.drawn(starts[inside], sizes[inside], seed=0))
    spans = [np.arange(start, start + sizes[np.searchsorted(starts, start)]) for start in chosen.tolist()]
    return columns.take(np.concatenate(spans))


@dataclass(frozen=True)
class Refit:
    """1 - sum of squared residuals / sum of squared moves of the bundle, of its filter alone and of the refitted one,
    and the lower bounds of the refitted one's lead over each, by event."""

    bundle: float
    filter: float
    refit: float
    lead_over_bundle: float
    lead_over_filter: float
    events: int

    @classmethod
    def of(cls, frame: pd.DataFrame, confidence_level: float) -> "Refit | None":
        """Refit of the rows that were judged; None where none was, or those of one event alone."""
        rows = frame.dropna(subset=["move", "residual", *REFIT])
        squares = pd.DataFrame(
            {name: clipped(rows[name]) ** 2 for name in ("move", "residual", *REFIT)}, index=rows["event_id"]
        )
        sums = squares.groupby(level=0).sum()
        base, events = float(sums["move"].sum()), len(sums)
        if base <= 0.0 or events < 2:
            return None
        bundle, alone, refitted = (1.0 - float(sums[name].sum()) / base for name in ("residual", *REFIT))
        quantile = float(student.ppf(confidence_level, events - 1))

        def lead(name: str, share: float) -> float:
            value = refitted - share
            left = sums[name] - sums["refit_residual"] - value * sums["move"]
            return value - quantile * ratio_error(left, base)

        leads = lead("residual", bundle), lead("filter_residual", alone)
        return cls(bundle, alone, refitted, *leads, events)
