"""What the last bars of a market add to training: `python -m benchmarks.short_markets --recorded 1h=FILE`.

After these bars the market ends before the horizon. Two forecasters of the same recording, with the parameters of a
family's profile: one learns only from bars with the whole horizon after them (`forecast.least_ahead_bars` at the
horizon), the other from every bar, at the horizons that its market has.
Both have the same state-space filter and are judged on the same later bars at every horizon that these have. The last
line is JSON: by recording the bars of fit and calibration slice that each learns from, and what the added ones add to
the skill (1 - RMSE / RMSE of persistence, price units, all horizons), [value, low, high], 95 % over events; also on the
bars with the whole horizon alone.
"""

import argparse
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.interval_coverage import features_of, simulated
from benchmarks.judged_bars import judged
from pipelines.core.domain import FloatArray
from pipelines.core.params import Params
from pipelines.features.state_space import StateSpace
from pipelines.forecast import state_space_fit
from pipelines.forecast.accuracy import added
from pipelines.forecast.training_windows import IntArray, Rows
from pipelines.inference.predictor import Predictor


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure every recording and print one JSON line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.short_markets", description=__doc__)
    parser.add_argument("--series", nargs="*", default=[], metavar="FAMILY")
    parser.add_argument("--recorded", nargs="*", default=[], metavar="FAMILY=FILE")
    parser.add_argument("--kind", default="ridge", help="forecast.kind (ridge: filter and linear path)")
    parser.add_argument("--set", nargs="*", default=[], metavar="section.key=value", help="other parameters")
    asked = parser.parse_args(arguments)
    found = {}
    with tempfile.TemporaryDirectory() as work:
        given = [(family, Path(name)) for family, _, name in (one.partition("=") for one in asked.recorded)]
        for family in asked.series:
            path = Path(work) / f"series-{family}.parquet"
            simulated(family, 3).to_parquet(path)
            given.append((family, path))
        for family, path in given:
            found[path.stem] = one(path, family, [f"forecast.kind={asked.kind}", *asked.set])
    print(json.dumps({"benchmark": "short_markets", "adds": found}))


def one(path: Path, family: str, assignments: Sequence[str]) -> dict[str, Any]:
    """Bars and skill with and without the bars whose market ends before the horizon."""
    with tempfile.TemporaryDirectory() as work:
        recorded = features_of(path, family, [*assignments, "forecast.least_ahead_bars=1"], Path(work))
    rows, params = recorded.rows, recorded.params
    lookback, horizon = params.forecast.lookback_bars, params.forecast.horizon_bars
    fitted = state_space_fit.fit(rows, params.forecast.seed)
    positions = judged(rows, lookback, 1)
    means = {ahead: _mean(rows, params, fitted, ahead, positions) for ahead in (1, horizon)}
    among = np.isin(positions, judged(rows, lookback, horizon))
    return {
        "bars": {str(ahead): _count(rows, lookback, ahead) for ahead in (horizon, 1)},
        "judged": len(positions),
        "events": len(np.unique(rows.event[positions])),
        "adds": [round(value, 6) for value in added(rows, positions, means[1], means[horizon], 1)],
        "adds_whole_horizon": [
            round(value, 6) for value in added(rows, positions[among], means[1][among], means[horizon][among], 1)
        ],
    }


def _count(rows: Rows, lookback: int, ahead: int) -> int:
    return sum(len(rows.lively(rows.positions(name, lookback, ahead))) for name in ("fit", "calibration"))


def _mean(rows: Rows, params: Params, fitted: StateSpace, ahead: int, positions: IntArray) -> FloatArray:
    """Forecasts of a forecaster that learned from bars with `ahead` bars after them."""
    from pipelines.forecast import candidate  # noqa: PLC0415 - TensorFlow is loaded by those who train

    forecast = params.forecast.model_copy(update={"least_ahead_bars": ahead})
    params = params.model_copy(update={"forecast": forecast})
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work) / "forecaster"
        candidate.make(rows, params, folder, f"short-markets-{ahead}", {}, fitted)
        candidate.checkpoint_of(params, f"short-markets-{ahead}").clear()
        predictor = Predictor(folder)
        windows = rows.windows(predictor.lookback, rows.states(predictor.filter))
        return predictor.forecast_many(windows, positions).mean


if __name__ == "__main__":
    main()
