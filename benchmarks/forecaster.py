"""A forecaster that learned from a world of its own: `python -m benchmarks.forecaster --kind hybrid`.

The world is of the kind that `benchmarks.worlds` builds, with a seed that no evaluation uses; it is pulled through the
local exchange and trained on by the stages themselves. The last line names the folder for
`python -m benchmarks.evaluate --forecaster FOLDER`.
"""

import argparse
import json
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks import stage_runs
from pipelines.core.artifacts import read_json
from pipelines.core.command_line import exit_status, number
from pipelines.core.kinds import forecasters
from simulator.markets.events import Family
from simulator.markets.price_model import Model

HISTORY_DAYS = 28


def main(arguments: Sequence[str] | None = None) -> None:
    """Train, and print a JSON line with the folder."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.forecaster", description=__doc__)
    parser.add_argument("--kind", choices=forecasters(), default="hybrid")
    parser.add_argument("--edge", type=number(0, 1), default=1.0)
    parser.add_argument("--seed", type=int, default=100, help="of the world")
    parser.add_argument("--out", type=Path, default=Path("var/forecasters"))
    asked = parser.parse_args(arguments)
    began = time.perf_counter()
    folder = train(asked.kind, asked.edge, asked.seed, asked.out / f"{asked.kind}-edge-{asked.edge:g}")
    skill = read_json(folder / "reports/forecast.json")["selection"]
    line = {name: skill[name] for name in ("skill_price_pooled", "skill_price_pooled_interval")}
    seconds = round(time.perf_counter() - began, 1)
    print(json.dumps({"kind": asked.kind, **line, "seconds": seconds, "folder": str(folder / "models/forecaster")}))


def train(kind: str, edge: float, seed: int, folder: Path) -> Path:
    """The folder, made anew, in which the stages up to `forecast` ran on such a world."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    family = Family(seed, Model(edge=edge))
    of_family = ("event_length_min", "event_every_min", "markets_per_event")
    world = {"seed": seed, "edge": edge, "history_days": HISTORY_DAYS}
    world |= {name: getattr(family, name) for name in of_family}
    settings = [f"simulator.{name}={value}" for name, value in world.items()]
    stage_runs.pull(folder, [*settings, f"pull.history_days={HISTORY_DAYS}", f"forecast.kind={kind}"])
    for stage in ("validate", "featurize", "forecast"):
        stage_runs.run(folder, stage)
    return folder


if __name__ == "__main__":
    sys.exit(exit_status("forecaster", main))
