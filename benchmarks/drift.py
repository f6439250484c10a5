"""False alarms and delays of the drift verdict: `python -m benchmarks.drift`.

One JSON line. A state-space filter is trained on one world. Worlds that stay as they are and worlds that change on day
3 (what follows a headline, volume and headlines, or how soon an error of the price is gone, in turn) are then compared
with its training window every six hours, as the flow does: `quiet_worlds`, `quiet_looks`, `false_alarms` (looks) and
`alarmed_worlds`; `changed_worlds`, `found`, and `delay_h` from the change to the first verdict of drift, None where
there was none within a day. `by_brier` and `by_refit` count the verdicts that expected against realised Brier, or a
filter fitted on the recent bars, gave alone. Every look is kept in --out.
"""

import argparse
import contextlib
import json
import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks import drift_world as world
from benchmarks.changed_markets import FOREVER_S, ChangedMarkets, Regime
from benchmarks.kept_rows import KeptRows, Row
from benchmarks.stage_runs import ROOT
from pipelines.core import params
from pipelines.core.command_line import exit_status, whole
from pipelines.drift import recent, reference, verdict
from pipelines.inference.bundle import Bundle
from simulator.markets.events import EPOCH_S, Event
from simulator.markets.price_model import Model

TRAINED_DAYS, CHANGED_DAY = 6, 3.0
LOOKS_H = (6, 12, 18, 24)
"""Hours after the change at which the flow looks."""
WINDOW_H = 14
"""Hours of bars in the landing zone: the window of the verdict, and what features need before it."""
CHANGES = ({"drift_rel": 1.0}, {"drift_feat": 1.0}, {"revert_min": 2.0})
"""Fields of the simulator's model that change: how prices follow headlines and errors, then volume and headlines, then
how many minutes an error lasts. The first two change at once, the third in events that begin later."""
SOURCES = ("pipelines/drift", "pipelines/features", "pipelines/featurize", "benchmarks/drift.py", "simulator/markets")


def main(argv: Sequence[str] | None = None) -> int:
    """Exit status 0; the line is the result."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.drift", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("var/benchmarks/drift"), help="what is measured already")
    parser.add_argument("--quiet", type=whole(0), default=20, help="worlds that stay as they are (20)")
    parser.add_argument("--changed", type=whole(0), default=10, help="worlds that change on day 3 (10)")
    parser.add_argument("--looks", type=whole(1), default=len(LOOKS_H), help="at each quiet world, every six hours (4)")
    arguments = parser.parse_args(argv)
    kept = KeptRows(arguments.out.absolute() / "looks.jsonl", SOURCES)
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
        "by_refit": sum(look["by_refit"] for looks in (*quiet, *changed) for look in looks),
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
    """The working folder is one like a checkout after a night: features, forecasts and a sealed filter."""
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
            world.train()
        try:
            yield
        finally:
            params.load.cache_clear()


def _look(kept: KeptRows, seed: int, hours: int, change: dict[str, float]) -> Row:
    return kept.once({"seed": seed, "hours": hours, **change}, lambda: _judged(seed, hours, change))


def _world(seed: int, days: float, change: dict[str, float]) -> tuple[world.Markets, list[Event]]:
    """Markets and events of the first days of a world that changes on day 3, or does not."""
    at_min = int(CHANGED_DAY * 1_440)
    at_once = all(name.startswith("drift") for name in change)
    model = {"drift_at_min": at_min, **change} if change and at_once else {}
    markets = world.source(days, seed=1_000 + seed, **model)
    if at_once:
        return markets, world.events(markets.family, markets.now_s)
    other = Regime(Model(**(asdict(markets.family.model) | change)), EPOCH_S + at_min * 60, FOREVER_S)
    later = ChangedMarkets(markets.family, other, markets.now_s)
    return later, later.events()


def _judged(seed: int, hours: int, change: dict[str, float]) -> Row:
    """The verdict on the last hours of a world, so long after day 3."""
    markets, begun = _world(seed, CHANGED_DAY + hours / 24.0, change)
    now_s = EPOCH_S + round((CHANGED_DAY * 24 + hours) * 3_600)
    landing = Path("landing")
    shutil.rmtree(landing, ignore_errors=True)
    world.write_raw(markets, begun, landing, now_s - WINDOW_H * 3_600, now_s)
    bundle, settings = Bundle.open(Path("models/bundle")), params.load().drift
    predictor = bundle.predictor()
    before = reference.obtain(Path("var/drift"), bundle.hash, predictor.lookback, settings)
    found: dict[str, Any] = verdict.judge(before, recent.window(landing, predictor, settings), world.LENGTH_S, settings)
    reasons = found["reasons"] if found["verdict"] == verdict.DRIFT else []
    alone = reasons[0] if len(reasons) == 1 else ""
    refit = found["refit"]
    return {
        "verdict": found["verdict"],
        "reasons": reasons,
        "by_brier": alone.startswith("the probabilities"),
        "by_refit": alone.startswith("a filter"),
        **{name: refit.get(name) for name in ("bundle", "refit", "lead_over_bundle", "lead_over_filter")},
        "growth": found["brier"].get("growth"),
        "growth_lower_bound": found["brier"].get("growth_lower_bound"),
    }


if __name__ == "__main__":
    sys.exit(exit_status("drift", main))
