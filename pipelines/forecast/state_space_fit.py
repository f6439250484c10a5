"""The state-space filter of the fit slice."""

from dataclasses import replace

import numpy as np

from pipelines.features import likelihood
from pipelines.features.state_space import StateSpace
from pipelines.features.state_space_batch import Columns
from pipelines.forecast.training_windows import IntArray, Rows


def fit(rows: Rows, seed: int, begin: StateSpace | None = None) -> StateSpace:
    """The filter whose one-bar forecasts make the moves of the sampled runs of the fit slice most likely.

    The search begins from the generic starts, or from another filter; the prior is the same.
    """
    return likelihood.fit(_columns(rows, sampled(rows, seed)), begin)


def sampled(rows: Rows, seed: int) -> IntArray:
    """First bars of the runs that the likelihood is summed over, drawn from the fit slice."""
    inside = rows.slice_name == "fit"
    starts, bars = np.unique(rows.run_start[inside], return_counts=True)
    return likelihood.drawn(starts, bars, seed)


def _columns(rows: Rows, runs: IntArray) -> Columns:
    """The bars of these runs that lie in the fit slice, run by run."""
    inside = rows.slice_name == "fit"
    spans = [np.arange(start, int(rows.run_end[start])) for start in runs.tolist()]
    chosen = [span[inside[span]] for span in spans]
    taken = rows.columns().take(np.concatenate(chosen))
    starts = np.zeros(len(taken.odds), dtype=bool)
    starts[np.cumsum([0, *map(len, chosen)])[:-1]] = True
    return replace(taken, starts=starts)
