"""python -m benchmarks.fill_reference PROBES LADDER: does the reference's move tell which resting orders fill?

PROBES are the maker probe's windows (JSON lines: what rested, when it filled), LADDER the same windows with both books
and the spot price at some times before the end. Between two such times, where the other touch has not come to the
limit, the fill model's score is corrected by two numbers, and the move of the price that the spot implies towards the
order gets a weight (`execution.fill_reference_weight`). Each third of the windows is measured by a fit on the other
two. One JSON line: the weight of all windows, and log losses with and without it, paired by window.
"""

import argparse
import gzip
import itertools
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.fill_cases import Resting
from pipelines.core.domain import FloatArray
from pipelines.core.errors import DataError
from pipelines.core.money import MICRO, PRICE_SCALE
from pipelines.core.params import load
from pipelines.replay.policy_search import interval
from pipelines.trading.fill_model import MOST_TICKS

TICK = 100
FOLDS = 3
DIGITS = 2
STEPS, RIDGE = 60, 1e-2
EDGE = 0.02
"""Nearer to 0 and 1 a probe says nothing of a market that is open."""


class ProbeLook(NamedTuple):
    """Between two times of a probe that waits: its window, the fill model's score, the reference's move in ticks, and
    whether it filled."""

    window: int
    score: float
    moved: float
    filled: bool


def _lines(path: Path) -> list[dict[str, Any]]:
    content = path.read_bytes()
    text = gzip.decompress(content) if path.suffix == ".gz" else content
    return [json.loads(line) for line in text.splitlines() if line.strip()]


def variance_rate(ladder: Sequence[Mapping[str, Any]]) -> float:
    """Variance of the log of the spot price per second, over all windows."""
    squares = seconds = 0.0
    for window in ladder:
        known = [(one["offset"], one["spot"]) for one in window["samples"] if one.get("spot")]
        for (before_s, before), (after_s, after) in itertools.pairwise(known):
            squares, seconds = squares + math.log(after / before) ** 2, seconds + before_s - after_s
    if seconds <= 0.0:
        raise DataError("the ladder has no two spot prices of one window; give the file that has `spot`")
    return squares / seconds


def looks(probes: Sequence[Mapping[str, Any]], ladder: Sequence[Mapping[str, Any]]) -> Iterator[ProbeLook]:
    """Every two times between which a probe waited and the other touch did not come to its limit."""
    windows, rate = {one["window_ts"]: one for one in ladder}, variance_rate(ladder)
    for one in sorted(probes, key=lambda probe: int(probe["window_ts"])):
        window = windows.get(one["window_ts"])
        for side, probe in one["sides"].items():
            quote = probe.get("quote") if probe else None
            if window is not None and quote is not None and EDGE < quote < 1.0 - EDGE:
                yield from _waiting(one, side, probe, window, rate)


def _waiting(
    one: Mapping[str, Any], side: str, probe: Mapping[str, Any], window: Mapping[str, Any], rate: float
) -> Iterator[ProbeLook]:
    samples = {sample["offset"]: sample for sample in window["samples"] if sample["offset"] <= one["quote_at"]}
    times = sorted(samples, reverse=True)
    filled_s = -probe["fill_t"] if probe["filled"] and probe.get("fill_t") is not None else None
    for before_s, after_s in itertools.pairwise(times):
        books = [samples[at][side.lower()] for at in (before_s, after_s)]
        spots = [samples[at].get("spot") for at in (before_s, after_s)]
        if any(book["bid"] is None or book["ask"] is None for book in books) or None in spots:
            return
        limit = probe["quote"]
        if min(book["ask"] for book in books) <= limit + 1e-9:
            return
        hit = filled_s is not None and after_s <= filled_s < before_s
        pairs = zip(spots, (before_s, after_s), strict=True)
        fair = [_chance(spot, window["open_px"], rate * at) for spot, at in pairs]
        towards = (fair[0] - fair[1]) * (1.0 if side == "UP" else -1.0) * PRICE_SCALE / TICK
        seen = _resting(limit, books, before_s, after_s, probe["queue_ahead"])
        yield ProbeLook(int(one["window_ts"]), _score(seen), min(max(towards, -MOST_TICKS), MOST_TICKS), hit)
        if hit:
            return


def _chance(spot: float, level: float, variance: float) -> float:
    """Probability that a driftless walk from `spot` ends at or above `level`."""
    return 0.5 * math.erfc(-math.log(spot / level) / math.sqrt(2.0 * variance))


def _resting(limit: float, books: Sequence[Mapping[str, float]], before_s: int, after_s: int, ahead: float) -> Resting:
    first, last = books
    return Resting(
        before_units=round((first["ask"] - limit) * PRICE_SCALE),
        after_units=round((last["ask"] - limit) * PRICE_SCALE),
        seconds=float(before_s - after_s),
        ahead_micro=int((ahead or 0.0) * MICRO),
        spread_units=round((first["ask"] - first["bid"]) * PRICE_SCALE),
        tick_units=TICK,
        own_micro=0,
        other_micro=0,
        move_units=round((first["bid"] + first["ask"] - last["bid"] - last["ask"]) / 2.0 * PRICE_SCALE),
        left_s=float(before_s),
    )


def _score(seen: Resting) -> float:
    return sum(a * b for a, b in zip(load().execution.fill_weights, seen.features(), strict=True))


def fit(x: FloatArray, y: FloatArray) -> FloatArray:
    """Weights of a logistic regression."""
    weights = np.zeros(x.shape[1])
    for _ in range(STEPS):
        chance = 1.0 / (1.0 + np.exp(-np.clip(x @ weights, -30.0, 30.0)))
        curve = (x * (chance * (1.0 - chance))[:, None]).T @ x + RIDGE * np.eye(x.shape[1])
        weights = weights + np.clip(np.linalg.solve(curve, x.T @ (y - chance) - RIDGE * weights), -1.0, 1.0)
    return weights


def _losses(x: FloatArray, y: FloatArray, fold: NDArray[np.int64]) -> FloatArray:
    """Log loss of each look by a fit on the looks of the other folds."""
    made = np.zeros(len(y))
    for part in range(FOLDS):
        held = fold == part
        chance = 1.0 / (1.0 + np.exp(-np.clip(x[held] @ fit(x[~held], y[~held]), -30.0, 30.0)))
        made[held] = -np.where(y[held] > 0.0, np.log(chance), np.log(1.0 - chance))
    return made


def measure(probes: Path, ladder: Path) -> dict[str, Any]:
    """Fit and test.

    Raises:
        DataError: if fewer than FOLDS windows are in both files.
    """
    found = list(looks(_lines(probes), _lines(ladder)))
    names = np.array([one.window for one in found])
    windows, number = np.unique(names, return_inverse=True)
    if len(windows) < FOLDS:
        raise DataError(f"{len(windows)} windows are in both {probes} and {ladder}; at least {FOLDS} are needed")
    y = np.array([float(one.filled) for one in found])
    x = np.array([(1.0, one.score, one.moved) for one in found])
    fold = (number * FOLDS // len(windows)).astype(np.int64)
    with_it, without = (_losses(x[:, :columns], y, fold) for columns in (3, 2))
    low, high = interval(np.bincount(number, weights=without - with_it).astype(np.float64))
    return {
        "windows": len(windows),
        "looks": len(found),
        "filled": int(y.sum()),
        "reference_weight": round(float(fit(x, y)[2]), DIGITS),
        "log_loss": {
            "with": round(float(with_it.mean()), 4),
            "without": round(float(without.mean()), 4),
            "gained": round(float((without - with_it).mean()), 4),
            "low": round(low / len(found), 4),
            "high": round(high / len(found), 4),
        },
    }


def main() -> None:
    """Fit, measure, print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fill_reference", description=__doc__)
    parser.add_argument("probes", type=Path, help="the maker probe's windows (JSON lines, .gz or plain)")
    parser.add_argument("ladder", type=Path, help="the same windows with books and spot price (JSON lines)")
    given = parser.parse_args()
    print(json.dumps(measure(given.probes, given.ladder)))


if __name__ == "__main__":
    main()
