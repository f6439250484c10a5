"""False alarms and delays of the drift verdict: `python -m benchmarks.drift`.

One JSON line. A linear forecaster is trained on one world. Worlds that stay as they are and worlds that change on day 3
(in their relation between headlines and prices, or in volume and headlines, in turn) are then compared with its
training window every six hours, as the flow does: `quiet_worlds`, `quiet_looks`, `false_alarms` (looks) and
`alarmed_worlds`; `changed_worlds`, `found`, and `delay_h` from the change to the first verdict of drift, None where
there was none within a day. `by_brier` counts the verdicts that expected against realised Brier alone gave. Every look
is kept in --out.
"""

import argparse
import contextlib
import json
import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks import drift_world as world
from benchmarks.kept_rows import KeptRows, Row
from benchmarks.stage_runs import ROOT
from pipelines.core import params
from pipelines.core.command_line import exit_status, whole
from pipelines.drift import recent, reference, verdict
from pipelines.featurize import stage as featurize
from pipelines.inference.bundle import Bundle
from simulator.markets.events import EPOCH_S

TRAINED_DAYS, CHANGED_DAY = 6, 3.0
LOOKS_H = (6, 12, 18, 24)
"""Hours after the change at which the flow looks."""
WINDOW_H = 14
"""Hours of bars in the landing zone: the window of the verdict, and what features need before it."""
CHANGES = ({"drift_rel": 1.0}, {"drift_feat": 1.0})
SOURCES = ("pipelines/drift", "pipelines/features", "pipelines/featurize", "benchmarks/drift.py", "simulator/markets")


def main(argv: Sequence[str] | None = None) -> int:
    """Exit status 0; the line is the result."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.drift", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("var/benchmarks/drift"), help="what is measured already")
    parser.add_argument("--quiet", type=whole(0), default=20, help="worlds that stay as they are (20)")
    parser.add_argument("--changed", type=whole(0), default=10, help="worlds that change on day 3 (10)")
    parser.add_argument("--looks", type=whole(1), default=len(LOOKS_H), help="at each quiet world, every six hours (4)")
    arguments = parser.parse_args(argv)
    kept = KeptRows(arguments.out / "looks.jsonl", SOURCES)
    with _trained(arguments.out.absolute()):
        quiet = [
            [_look(kept, seed, hours, {}) for hours in LOOKS_H[: arguments.looks]]
            for seed in range(1, arguments.quiet + 1)
        ]
        changed = [_until_found(kept, number) for number in range(arguments.changed)]
    print(json.dumps(_line(quiet, changed)), flush=True)
    return 0


def _line(quiet: list[list[Row]], changed: list[list[Row]]) -> Row:
    alarms = [[look["verdict"] == verdict.DRIFT for look in looks] for looks in quiet]
    delays = [looks[-1]["hours"] if looks[-1]["verdict"] == verdict.DRIFT else None for looks in changed]
    return {
        "quiet_worlds": len(quiet),
        "quiet_looks": sum(map(len, alarms)),
        "false_alarms": sum(map(sum, alarms)),
        "alarmed_worlds": sum(map(any, alarms)),
        "changed_worlds": len(changed),
        "found": sum(delay is not None for delay in delays),
        "delay_h": delays,
        "by_brier": sum(look["by_brier"] for looks in (*quiet, *changed) for look in looks),
    }


def _until_found(kept: KeptRows, number: int) -> list[Row]:
    """Looks at a changed world up to the first that finds the change."""
    looks: list[Row] = []
    for hours in LOOKS_H:
        looks.append(_look(kept, 101 + number, hours, CHANGES[number % len(CHANGES)]))
        if looks[-1]["verdict"] == verdict.DRIFT:
            break
    return looks


@contextlib.contextmanager
def _trained(out: Path) -> Iterator[None]:
    """The working folder is one like a checkout after a night: features, forecasts and a sealed linear bundle."""
    folder = out / "trained"
    fresh = not (folder / "data/forecasts/forecasts.parquet").is_file()
    if fresh:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
    shutil.copy2(ROOT / "params.yaml", folder)
    with contextlib.chdir(folder):
        params.load.cache_clear()
        if fresh:
            markets = world.source(TRAINED_DAYS)
            world.write_raw(
                markets, world.events(markets.family, markets.now_s), Path("data/raw"), EPOCH_S, markets.now_s
            )
            featurize.run()
            world.forecast()
        try:
            yield
        finally:
            params.load.cache_clear()


def _look(kept: KeptRows, seed: int, hours: int, change: dict[str, float]) -> Row:
    return kept.once({"seed": seed, "hours": hours, **change}, lambda: _judged(seed, hours, change))


def _judged(seed: int, hours: int, change: dict[str, float]) -> Row:
    """The verdict on the last hours of a world, so long after day 3."""
    changed = {"drift_at_min": int(CHANGED_DAY * 1440), **change} if change else {}
    markets = world.source(CHANGED_DAY + hours / 24.0, seed=1_000 + seed, **changed)
    landing = Path("landing")
    shutil.rmtree(landing, ignore_errors=True)
    world.write_raw(
        markets, world.events(markets.family, markets.now_s), landing, markets.now_s - WINDOW_H * 3_600, markets.now_s
    )
    bundle, settings = Bundle.open(Path("models/bundle")), params.load().drift
    predictor = bundle.predictor()
    before = reference.obtain(Path("var/drift"), bundle.hash, predictor.lookback, settings)
    found: dict[str, Any] = verdict.judge(before, recent.window(landing, predictor, settings), world.LENGTH_S, settings)
    reasons = found["reasons"] if found["verdict"] == verdict.DRIFT else []
    alone = len(reasons) == 1 and reasons[0].startswith("the probabilities")
    return {
        "verdict": found["verdict"],
        "reasons": reasons,
        "by_brier": alone,
        "growth": found["brier"].get("growth"),
        "growth_lower_bound": found["brier"].get("growth_lower_bound"),
    }


if __name__ == "__main__":
    sys.exit(exit_status("drift", main))
