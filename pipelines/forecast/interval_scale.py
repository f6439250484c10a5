"""The scale of intervals: the predicted variance, and the network's quantiles at the horizons where they help."""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pipelines.core.domain import FloatArray
from pipelines.features.garch import Garch
from pipelines.forecast.conformal import interval_scores
from pipelines.forecast.training_windows import IntArray, Rows
from pipelines.forecast.variance_fit import LEAST_EVENTS, VarianceSample, fit_variance
from pipelines.inference.calibration import Conformal
from pipelines.inference.predictor import Outputs
from pipelines.inference.variance import Variance

LEAST_BAND: Final = 0.05
"""Half of a network's band counts as so much at least, in units of volatility x sqrt(h)."""


@dataclass(frozen=True)
class OutputsAt:
    """What the parts of a forecaster say at some bars, and which bars these are."""

    outputs: Outputs
    positions: IntArray

    def errors(self, rows: Rows, table: Conformal) -> FloatArray:
        """Moves less what filter and linear path forecast of them, (n, H) in log-odds."""
        return rows.moves(self.positions, self.outputs.ahead.shape[1]) - self.outputs.base(table)

    def half_band(self, table: Conformal) -> FloatArray:
        """Half of the network's band in units of the interval's scale, (n, H); 1 at horizons without a band."""
        band = self.outputs.band(table)
        half = np.maximum((band[..., 2] - band[..., 0]) / 2.0, LEAST_BAND)
        return half if table.band is None else np.where(table.band, half, 1.0)


def with_interval_scale(
    rows: Rows, table: Conformal, fitted_to: OutputsAt, unseen: OutputsAt | None, garch: Garch
) -> Conformal:
    """The table with a predicted variance, fitted to bars of the fit slice, and the horizons that keep the network's
    band: those at which intervals with it score better than with the variance alone on `unseen` bars, which the network
    did not learn from. None of the horizons without a network or with fewer than LEAST_EVENTS unseen events."""
    no_band = np.zeros(len(table.offset), dtype=np.bool_)
    plain = _with_variance(rows, replace(table, band=no_band), fitted_to, garch)
    if unseen is None or len(np.unique(rows.event[unseen.positions])) < LEAST_EVENTS:
        return plain
    banded = _with_variance(rows, replace(table, band=~no_band), fitted_to, garch)
    score, banded_score = (_scores(rows, one, unseen) for one in (plain, banded))
    return _joined(np.nansum(score - banded_score, axis=0) > 0.0, banded, plain)


def _with_variance(rows: Rows, table: Conformal, fitted_to: OutputsAt, garch: Garch) -> Conformal:
    """The table with the variance of errors in units of the interval's scale and band; without one where it would not
    be significant. A network has learned from these bars: its band fits them better than later ones, which leaves less
    for the variance to explain, not more."""
    outputs = fitted_to.outputs
    unit = outputs.interval_scale(table) * fitted_to.half_band(table)
    sample = VarianceSample(outputs.covariates, fitted_to.errors(rows, table) / unit, rows.event[fitted_to.positions])
    return replace(table, variance=fit_variance(sample, garch, rows.length_s))


def _scores(rows: Rows, table: Conformal, unseen: OutputsAt) -> FloatArray:
    """Interval score of each bar and horizon, (n, H)."""
    scale, event = unseen.outputs.interval_scale(table), rows.event[unseen.positions]
    return interval_scores(unseen.outputs.band(table), unseen.errors(rows, table), scale, event, table.coverage)


def _joined(kept: NDArray[np.bool_], banded: Conformal, plain: Conformal) -> Conformal:
    """Band and variance of `banded` at the horizons that are kept (H,), those of `plain` elsewhere."""
    return replace(plain, band=kept, variance=Variance.joined(kept, banded.variance, plain.variance))
