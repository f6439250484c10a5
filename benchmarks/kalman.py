"""How well can anyone forecast the synthetic markets? `python -m benchmarks.kalman --edge 1.0 --seed 1`.

Prints one JSON line: skill in percent (1 - RMSE/RMSE of persistence, log-odds, bars with mid in [0.05, 0.95]) of the
best observer of public data (in the default world the Kalman filter; simulator/markets/limits.py says what it is in
the others) and of the oracle (sees the mispricing), with the slope of a regression of the
outcome on the Kalman forecast and an event-bootstrap standard error.
"""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

import numpy as np

from pipelines.core.artifacts import write_json
from pipelines.core.command_line import exit_status, number, whole
from pipelines.core.domain import FloatArray
from simulator.markets import limits
from simulator.markets.events import Family, build
from simulator.markets.price_model import Model, World
from simulator.markets.truth import Truth, oracle, truth

HORIZONS = (1, 5, 24)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.kalman", description=__doc__)
    parser.add_argument("--edge", type=number(0, 1), default=1.0)
    parser.add_argument("--world", choices=get_args(World), default="reversion")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--events", type=whole(6), default=96)
    parser.add_argument("--markets-per-event", type=int, default=5)
    parser.add_argument("--event-length-min", type=int, default=1440)
    parser.add_argument("--event-every-min", type=int, default=240)
    asked = parser.parse_args(arguments)
    family = Family(
        asked.seed,
        Model(edge=asked.edge, world=asked.world),
        event_length_min=asked.event_length_min,
        event_every_min=asked.event_every_min,
        markets_per_event=asked.markets_per_event,
    )
    print(json.dumps(measure(family, asked.events)))


def write(path: Path = Path("reports/kalman.json")) -> None:
    """Measure with the defaults of the command, and keep the result where the league reads it."""
    family = Family(1, Model(edge=1.0), event_length_min=1440, event_every_min=240, markets_per_event=5)
    write_json(path, measure(family, 96))


def measure(family: Family, events: int) -> dict[str, object]:
    """Skills by horizon, with how they were measured."""
    began = time.perf_counter()
    known = truth(family, [build(family, number) for number in range(events)])
    generated = time.perf_counter()
    filtered, latent = limits.limit(known), oracle(known)
    rows = {}
    for horizon in HORIZONS:
        limit = filtered.forecast(family.model, horizon)
        rows[str(horizon)] = score(known, limit, horizon) | {
            "oracle_skill_pct": score(known, latent.forecast(family.model, horizon), horizon)["skill_pct"]
        }
    return {
        "benchmark": "kalman",
        "edge": family.model.edge,
        "world": family.model.world,
        "seed": family.seed,
        "events": events,
        "markets": len(known.event),
        "event_length_min": family.event_length_min,
        "horizons": rows,
        "generate_s": round(generated - began, 3),
        "filter_s": round(time.perf_counter() - generated, 3),
    }


def score(known: Truth, forecast: FloatArray, horizon: int) -> dict[str, float]:
    """Skill in percent, slope of outcome on forecast, and the skill's standard error by a bootstrap over events."""
    moved = known.log_odds[:, horizon:] - known.log_odds[:, :-horizon]
    guess = forecast[:, :-horizon]
    band = np.abs(known.mid[:, :-horizon] - 0.5) <= 0.45
    numbers = np.unique(known.event)
    sums = np.array([
        [(part[band & (known.event == number)[:, None]]).sum() for number in numbers]
        for part in ((moved - guess) ** 2, moved**2, moved * guess, guess**2)
    ])  # fmt: skip
    draws = np.random.default_rng(0).integers(0, len(numbers), (500, len(numbers)))
    resampled = sums[:, draws].sum(axis=2)
    total = sums.sum(axis=1)
    return {
        "skill_pct": round(float(100 * (1 - np.sqrt(total[0] / total[1]))), 3),
        "standard_error_pct": round(float(100 * np.std(np.sqrt(resampled[0] / resampled[1]))), 3),
        "slope": round(float(total[2] / total[3]), 3) if total[3] > 0 else 0.0,
    }


if __name__ == "__main__":
    sys.exit(exit_status("kalman", main))
