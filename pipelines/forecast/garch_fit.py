"""GARCH(1, 1) on log-odds returns of the fit slice: one set of parameters for all markets."""

import numpy as np
from arch import arch_model

from pipelines.features.garch import Garch
from pipelines.features.scale import log_odds
from pipelines.forecast.training_windows import IntArray, Rows

RUNS = 20
RUN_BARS = 1_000
PERCENT = 100.0


def fit_garch(rows: Rows, positions: IntArray, seed: int) -> Garch:
    """Median parameters over runs of bars that end at positions drawn from the fit slice.

    Every run is fitted by itself (quasi maximum likelihood of the `arch` package); runs that do not converge, or do
    not move, are left out. Without any, a RiskMetrics filter (alpha 0.06, beta 0.94).
    """
    ends = np.random.default_rng((seed, 5)).choice(positions, size=min(RUNS, len(positions)), replace=False)
    found = [fitted for end in ends if (fitted := _fit(rows, int(end))) is not None]
    if not found:
        return Garch(0.0, 0.06, 0.94)
    omega, alpha, beta = np.median(np.array(found), axis=0)
    return Garch(float(omega), float(alpha), float(beta))


def _fit(rows: Rows, end: int) -> tuple[float, float, float] | None:
    start = max(int(rows.run_start[end]), end - RUN_BARS)
    returns = np.diff(log_odds(rows.mid_units[start : end + 1])) * PERCENT
    if len(returns) < 100 or np.mean(returns != 0.0) < 0.05:
        return None
    fitted = arch_model(returns, mean="Zero", vol="GARCH", p=1, q=1, rescale=False).fit(disp="off", show_warning=False)
    if fitted.convergence_flag != 0:
        return None
    values = fitted.params
    return float(values["omega"]) / PERCENT**2, float(values["alpha[1]"]), float(values["beta[1]"])
