"""Value at risk at 1 and 5 % for 1, 5 and 24 bars: `python -m benchmarks.risk --edge 0 0.5 1 --recorded FILE`.

Models differ in mean and scale (`benchmarks.risk_models`); all get their quantiles from the calibration slice and are
judged on what comes after it, at every h-th bar of each market, so that targets do not overlap. Finished rows are kept
in var/risk.jsonl and not measured again. The page is docs/results/risk.md. The last line is JSON:

* `var`: data -> model -> "h level" -> share exceeded, p-values of Kupiec's and Christoffersen's tests, pinball loss in
  price, and its gain over GARCH alone and over persistence with 95 % intervals over events;
* `garch_lstm_gain`: data -> "h level" -> gain of `garch_lstm` over GARCH alone, the guide's claim of 10 %;
* `best`: data -> "h level" -> the model with the least loss.
"""

import argparse
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import chi2

from benchmarks import league_data
from benchmarks.judged_bars import judged
from benchmarks.kept_rows import KeptRows
from benchmarks.league_data import Course
from benchmarks.risk_models import HORIZONS, Distribution, models
from benchmarks.risk_page import PAGE, page
from pipelines.core.artifacts import write_bytes
from pipelines.core.command_line import number, whole
from pipelines.core.domain import FloatArray
from pipelines.core.money import PRICE_SCALE
from pipelines.core.params import Params, load
from pipelines.features.scale import price_after
from pipelines.forecast.training_windows import IntArray, drawn, training_positions

LEVELS = (0.01, 0.05)
KEPT = Path("var/risk.jsonl")
SOURCES = ("pipelines/forecast", "pipelines/features", "pipelines/inference", "benchmarks/risk_models.py")
SHIPPED, NETWORKS = ("ssm",), ("mlp", "garch_lstm")
"""Forecasters whose own intervals are judged: the filter alone, the default and the guide's."""
CALIBRATION = 40_000
SAMPLES = 1_000
LEAST = 1e-12

Row = dict[str, Any]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure what is missing, render the page, print one JSON line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.risk", description=__doc__)
    parser.add_argument("--edge", type=number(0, 1), nargs="*", default=[0.0, 0.5, 1.0])
    parser.add_argument("--worlds", type=whole(1), default=1, help="of every edge")
    parser.add_argument("--recorded", type=Path, nargs="*", default=[], help="Parquet recordings of prices")
    parser.add_argument("--without-network", action="store_true", help="leave the networks out")
    asked = parser.parse_args(arguments)
    params, kept = _small(load()), KeptRows(KEPT, SOURCES)
    for edge in asked.edge:
        for seed in range(1, asked.worlds + 1):
            about = {"data": f"edge {edge:g}, seed {seed}", "network": not asked.without_network}
            kept.once(about, lambda: measure(league_data.synthetic(edge, seed, params), not asked.without_network))  # noqa: B023
    for path in asked.recorded:
        about = {"data": path.stem, "network": not asked.without_network}
        kept.once(about, lambda: measure(league_data.recording(path, params), not asked.without_network))  # noqa: B023
    write_bytes(PAGE, page(kept.rows).encode())
    print(json.dumps(summary(kept.rows)))


def _small(params: Params) -> Params:
    """The training of the league: the small protocol."""
    settings = {"windows": params.league.windows, "epochs": params.league.epochs}
    return params.model_copy(update={"forecast": params.forecast.model_copy(update=settings)})


def measure(course: Course, network: bool) -> Row:
    """Every model on one course: {"models": name -> "h level" -> figures}."""
    kinds = (*SHIPPED, *(NETWORKS if network else ()))
    with tempfile.TemporaryDirectory() as work:
        folders = {kind: _trained(course, kind, Path(work)) for kind in kinds}
        made = {name: judge(course, one) for name, one in models(course, folders).items()}
    return {"models": {name: _figures(one, made) for name, one in made.items()}}


def _trained(course: Course, kind: str, work: Path) -> Path:
    from pipelines.forecast import candidate  # noqa: PLC0415 - TensorFlow is loaded by those who train

    settings = course.params.forecast.model_copy(update={"kind": kind})
    params = course.params.model_copy(update={"forecast": settings})
    folder = work / kind
    candidate.make(course.rows, params, folder, f"risk-{course.data_hash}", course.observation, course.fitted)
    candidate.checkpoint_of(params, f"risk-{course.data_hash}").clear()
    return folder


Judged = dict[str, tuple[FloatArray, FloatArray, IntArray, IntArray, float]]
"""By "h level": change of price, value at risk as a change of price, event, run of each judged bar, and the level."""


def judge(course: Course, distribution: Distribution) -> Judged:
    """Values at risk at every h-th bar of the later slices, with quantiles from the calibration slice."""
    rows, settings = course.rows, course.params.forecast
    lookback, longest = settings.lookback_bars, max(HORIZONS)
    calibration = drawn(training_positions(rows, "calibration", lookback, longest), CALIBRATION, (settings.seed, 13))
    mean, scale = distribution(calibration)
    columns = np.array(HORIZONS) - 1
    standard = (rows.moves(calibration, longest)[:, columns] - mean) / scale
    later = np.sort(judged(rows, lookback, longest))
    made: Judged = {}
    for column, horizon in enumerate(HORIZONS):
        step = max(horizon, round(len(later) / league_data.JUDGED_BARS))
        at = later[(rows.ts_s[later] // rows.length_s) % step == 0]
        mean, scale = distribution(at)
        now = rows.mid_units[at]
        moved = rows.price_moves(at, horizon)[:, -1]
        for level in LEVELS:
            bound = mean[:, column] + scale[:, column] * np.quantile(standard[:, column], level)
            lower = price_after(now, bound) - now / PRICE_SCALE
            made[f"{horizon} {level:g}"] = (moved, lower, rows.event[at], rows.run_start[at], level)
    return made


def _figures(own: Judged, every: dict[str, Judged]) -> dict[str, Row]:
    found = {}
    for key, (moved, lower, event, run, level) in own.items():
        beyond = moved < lower
        loss = pinball(moved, lower, level)
        uncovered, independent = kupiec(beyond, level), christoffersen(beyond, run)
        found[key] = {
            "bars": len(moved),
            "exceeded": float(np.mean(beyond)),
            "exceeded_interval": _share_interval(beyond, event),
            "kupiec_p": uncovered,
            "christoffersen_p": independent,
            "loss": float(np.mean(loss)),
        } | {
            f"gain_over_{other}": gain(loss, pinball(*every[other][key][:2], level), event)
            for other in ("garch", "persistence")
        }
    return found


def pinball(moved: FloatArray, lower: FloatArray, level: float) -> FloatArray:
    """Loss of a quantile per bar: least on average for the true quantile (Koenker and Bassett, 1978)."""
    error = moved - lower
    loss: FloatArray = np.maximum(level * error, (level - 1.0) * error)
    return loss


def kupiec(beyond: Any, level: float) -> float:
    """p-value of the share of exceedances being the stated one (likelihood ratio, one degree; Kupiec, 1995)."""
    n, x = len(beyond), int(np.sum(beyond))
    share = min(max(x / n, LEAST), 1.0 - LEAST)
    ratio = -2.0 * ((n - x) * np.log((1 - level) / (1 - share)) + x * np.log(level / share))
    return float(chi2.sf(max(ratio, 0.0), 1))


def christoffersen(beyond: Any, run: IntArray) -> float:
    """p-value of an exceedance not depending on whether the bar before in the same run was one (likelihood ratio, one
    degree; Christoffersen, 1998). 1 where there are too few transitions to tell."""
    same = run[1:] == run[:-1]
    before, after = beyond[:-1][same], beyond[1:][same]
    n = np.array(
        [[np.sum(~before & ~after), np.sum(~before & after)], [np.sum(before & ~after), np.sum(before & after)]]
    )
    if n[0].sum() == 0 or n[1].sum() == 0:
        return 1.0
    shares = np.clip(n[:, 1] / n.sum(axis=1), LEAST, 1.0 - LEAST)
    pooled = min(max(n[:, 1].sum() / n.sum(), LEAST), 1.0 - LEAST)
    apart = np.sum(n[:, 0] * np.log(1 - shares) + n[:, 1] * np.log(shares))
    together = n[:, 0].sum() * np.log(1 - pooled) + n[:, 1].sum() * np.log(pooled)
    return float(chi2.sf(max(2.0 * (apart - together), 0.0), 1))


def gain(loss: FloatArray, other: FloatArray, event: IntArray) -> list[float]:
    """1 - loss / the other's loss on the same bars, with its 95 % interval over events: [value, low, high]."""
    group = np.unique(event, return_inverse=True)[1]
    sums = [np.bincount(group, weights=one) for one in (loss, other)]
    picks = np.random.default_rng(1).integers(0, len(sums[0]), size=(SAMPLES, len(sums[0])))
    low, high = np.quantile(1.0 - sums[0][picks].sum(axis=1) / sums[1][picks].sum(axis=1), (0.025, 0.975))
    return [float(1.0 - sums[0].sum() / sums[1].sum()), float(low), float(high)]


def _share_interval(beyond: Any, event: IntArray) -> list[float]:
    """95 % interval of the share of exceedances, events drawn with repetition."""
    group = np.unique(event, return_inverse=True)[1]
    count, total = np.bincount(group, weights=beyond), np.bincount(group)
    picks = np.random.default_rng(2).integers(0, len(total), size=(SAMPLES, len(total)))
    low, high = np.quantile(count[picks].sum(axis=1) / total[picks].sum(axis=1), (0.025, 0.975))
    return [float(low), float(high)]


def summary(rows: Sequence[Row]) -> Row:
    """The figures that the module's docstring names."""
    claim = {
        row["data"]: {key: one["gain_over_garch"] for key, one in row["models"]["garch_lstm"].items()}
        for row in rows
        if "garch_lstm" in row["models"]
    }
    best = {
        row["data"]: {
            key: min(row["models"], key=lambda name: row["models"][name][key]["loss"])
            for key in next(iter(row["models"].values()))
        }
        for row in rows
    }
    found = {row["data"]: row["models"] for row in rows}
    return {"benchmark": "risk", "var": found, "garch_lstm_gain": claim, "best": best}


if __name__ == "__main__":
    main()
