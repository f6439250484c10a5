"""The night at the size of a venue, and many nights in a row: `python -m benchmarks.night`.

One JSON line: `promotions_edge_0` of `nights` consecutive nights in one world without an edge, judged by the real gate,
each on the window of the last four days; `changed_nights` in a world with the default edge that changes on nights 10
and 20 (--changes), `worst_fall` of a champion below its predecessor as a share of the skill that can be reached there,
`nights_below_bound` in a row on which that was more than `fall_bound`, and `nights_to_80_percent` of that skill after
each change (`benchmarks.changed_nights`); `seconds`, `cpu_s` and `peak_rss_mb` of every stage, the pull too, on a local
exchange of `markets` markets, half of them ended, within `days` days; `unchanged_s` of a night on which nothing
changed; `recovered_nights`, stages that were killed with SIGKILL, begun again, and left the products of an undisturbed
run, of `killed_nights`; `left`, pieces that are not measured yet. Every finished piece is kept in --out and not
measured again; --minutes ends a run between two pieces.
"""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import stage_runs
from benchmarks.changed_nights import EVENT_EVERY_MIN, Nights, figures
from flows.edit_params import change
from flows.stage_tasks import stage_names
from pipelines.core.artifacts import read_json, sha256_path, write_json
from pipelines.core.command_line import exit_status, number, whole

QUICK = (
    "forecast.kind=ssm",
    "conformal.windows=5000",
    "ppo_entries.timesteps=32768",
    "ppo_entries.critic_steps=0",
    "agent.imitation_epochs=1",
    "gate.bootstrap_samples=500",
    "backtest.random_seeds=1",
)
"""Parameters of the nights in a row: the state-space filter forecasts alone, the agent is trained little."""

SIZED = stage_names(stage_runs.ROOT / "dvc.yaml")
STAGES = SIZED[1:]
"""Every stage after the pull."""
PER_EVENT = 20
"""Markets in an event of the venue-sized pull."""

TOOK = "took.json"
"""In a finished folder: seconds of every stage."""

Piece = tuple[str, Callable[[], dict[str, Any]]]
"""The name of a measurement, and what makes it."""


def main(argv: Sequence[str] | None = None) -> int:
    """Exit status 0; the line is the result."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.night", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("var/benchmarks/night"), help="what is measured already")
    parser.add_argument("--nights", type=whole(0), default=30, help="nights in a row at edge 0 (30)")
    parser.add_argument("--changed", type=whole(0), default=30, help="nights in a row in a world that changes (30)")
    parser.add_argument(
        "--changes", type=whole(0), nargs=2, default=[10, 20], metavar="NIGHT", help="when it changes and back (10 20)"
    )
    parser.add_argument(
        "--regime",
        nargs="+",
        default=["revert_min=2"],
        metavar="NAME=VALUE",
        help="what is other in the changed regime: fields of the simulator's model (revert_min=2)",
    )
    parser.add_argument("--every", type=whole(1), default=EVENT_EVERY_MIN, help="minutes between its events (60)")
    parser.add_argument("--window-days", type=whole(1), default=12, help="of a night of it (12)")
    parser.add_argument(
        "--fall-bound",
        type=number(0, 1),
        default=0.05,
        help="how far a champion may lie below its predecessor: share of the skill that can be reached (0.05)",
    )
    parser.add_argument("--markets", type=whole(0), default=4_000, help="of the venue-sized pull (4000)")
    parser.add_argument("--days", type=whole(1), default=12, help="of the venue-sized pull (12)")
    parser.add_argument("--stages", nargs="*", default=list(SIZED), metavar="STAGE", help="of the venue-sized night")
    parser.add_argument("--kills", nargs="*", default=list(STAGES), metavar="STAGE", help="that are killed halfway")
    parser.add_argument(
        "--minutes", type=number(0, 10_000), default=0.0, help="begin nothing later than this (0: no end)"
    )
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args(argv)
    known = _Known(arguments.out)
    pieces = _pieces(arguments)
    ends = time.monotonic() + 60.0 * arguments.minutes if arguments.minutes else float("inf")
    for name, measure in pieces:
        if time.monotonic() < ends:
            known.once(name, measure)
    print(json.dumps(_line(arguments, known.rows, [name for name, _ in pieces])), flush=True)
    return 0


def _pieces(asked: argparse.Namespace) -> list[Piece]:
    """Everything that is asked for, the cheap pieces first."""
    out, seed = asked.out, asked.seed
    sized = f"venue/{asked.markets}/{asked.days}"
    stages = [stage for stage in SIZED if stage in asked.stages and asked.markets]
    # With fewer markets or days the deflated Sharpe ratio holds every night: luck explains so small a slice.
    world = ("edge=1",), tuple(asked.regime), tuple(asked.changes), asked.every
    changed = Nights(out.absolute(), seed, QUICK, asked.window_days, 6, *world)
    nothing = Nights(out.absolute(), seed, QUICK, 4, 2, ("edge=0",))
    regimes, nights = range(2 if asked.changed else 0), range(asked.changed)
    return [
        *((f"settled/{changed.world}/{regime}", partial(changed.settled, regime)) for regime in regimes),
        *((f"changed/{changed.name}/{night}", partial(changed.night, night)) for night in nights),
        *((f"edge_0/{seed}/{night}", partial(nothing.night, night)) for night in range(asked.nights)),
        *((f"killed/{seed}/{stage}", partial(_killed, out, seed, stage)) for stage in asked.kills),
        (f"unchanged/{seed}", partial(_unchanged, out, seed)),
        *((f"{sized}/{stage}", partial(_sized, out, asked.markets, asked.days, stage)) for stage in stages),
    ]


def _line(asked: argparse.Namespace, rows: dict[str, Any], names: Sequence[str]) -> dict[str, Any]:
    """The figures of what is measured; a figure of which nothing is measured is None."""
    done = [name for name in names if name in rows]

    def of(kind: str) -> list[Any]:
        return [rows[name] for name in done if name.startswith(kind)]

    sized = {name.rpartition("/")[2]: rows[name] for name in done if name.startswith("venue/")}
    nights, killed, unchanged = of("edge_0/"), of("killed/"), of("unchanged/")
    return {
        "nights": len(nights),
        "promotions_edge_0": sum(row["promoted"] for row in nights),
        "markets": asked.markets,
        "days": asked.days,
        **{key: {name: row[key] for name, row in sized.items()} for key in ("seconds", "cpu_s", "peak_rss_mb")},
        "unchanged_s": unchanged[0]["seconds"] if unchanged else None,
        "killed_nights": len(killed),
        "recovered_nights": sum(row["same"] for row in killed),
        **figures(of("changed/"), asked.changes, asked.fall_bound),
        "left": len(names) - len(done),
    }


class _Known:
    """What was measured, by name, in one file that is replaced by rename."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / "measured.json"
        self.rows: dict[str, Any] = read_json(self._path) if self._path.is_file() else {}

    def once(self, name: str, measure: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """The row of a name, measured now where it is not there."""
        if name not in self.rows:
            self.rows[name] = measure()
            write_json(self._path, self.rows)
            print(json.dumps({name: self.rows[name]}), file=sys.stderr, flush=True)
        return dict(self.rows[name])


def _sized(out: Path, markets: int, days: int, stage: str) -> dict[str, Any]:
    """Wall and processor seconds and peak memory of a stage on a venue of that size: the local exchange with as many
    markets, half of them ended, which the pull asks for each."""
    folder = out / f"venue-{markets}-{days}"
    if stage == "pull":
        return _pulled(folder, markets, days)
    if not (folder / "reports/pull.json").is_file():
        _pulled(folder, markets, days)
    return _measured(folder, stage, {})


def _pulled(folder: Path, markets: int, days: int) -> dict[str, Any]:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    shutil.copy2(stage_runs.ROOT / "params.yaml", folder)
    each, minutes = min(PER_EVENT, max(markets // PER_EVENT, 1)), days * 1_440
    world = {"history_days": days, "event_length_min": minutes // 2, "markets_per_event": each}
    world |= {"event_every_min": max(minutes * each // markets, 1)}
    change([f"simulator.{name}={value}" for name, value in world.items()], folder / "params.yaml")
    change([f"pull.history_days={days}", f"pull.max_markets={markets}"], folder / "params.yaml")
    with stage_runs.exchange(folder) as addresses:
        stage_runs.run(folder, "window", "--source", "simulated", addresses=addresses)
        return _measured(folder, "pull", addresses)


def _measured(folder: Path, stage: str, addresses: dict[str, str]) -> dict[str, Any]:
    started = time.perf_counter()
    child = _start(folder, stage, addresses=addresses)
    _, status, usage = os.wait4(child.pid, 0)
    if status:
        raise RuntimeError(f"{stage} ended with status {os.waitstatus_to_exitcode(status)}; see {folder / stage}.log")
    return {
        "seconds": round(time.perf_counter() - started, 1),
        "cpu_s": round(usage.ru_utime + usage.ru_stime, 1),
        "peak_rss_mb": round(usage.ru_maxrss / 1024),
    }


def _start(folder: Path, *command: str, addresses: dict[str, str] | None = None) -> subprocess.Popen[bytes]:
    environment = stage_runs.environment(addresses or {})
    with (folder / f"{command[-1]}.log").open("wb") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "pipelines", *command], cwd=folder, env=environment, stdout=log, stderr=log
        )


def _finished(out: Path, seed: int) -> Path:
    """A folder in which every stage has run once, undisturbed; what each took, and the records before it, are kept."""
    folder = out / f"finished-{seed}"
    if not (folder / TOOK).is_file():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        world = [
            f"simulator.seed={seed}",
            "simulator.history_days=8",
            "simulator.event_length_min=480",
            "simulator.markets_per_event=3",
        ]
        stage_runs.pull(folder, [*QUICK, *world, "gate.min_events=3"])
        took = {}
        for stage in stage_names(stage_runs.ROOT / "dvc.yaml")[1:]:
            (folder / "var").mkdir(exist_ok=True)
            shutil.copytree(folder / "var", folder / "before" / stage)
            started = time.perf_counter()
            stage_runs.run(folder, stage)
            took[stage] = time.perf_counter() - started
        write_json(folder / TOOK, took)
    return folder


def _killed(out: Path, seed: int, stage: str) -> dict[str, Any]:
    """A stage killed halfway through the time that it takes, then begun again on the records that it left: whether the
    products are those of the undisturbed run."""
    folder = _finished(out, seed)
    before, seconds = _products(folder, stage), read_json(folder / TOOK)[stage]
    shutil.rmtree(folder / "var")
    shutil.copytree(folder / "before" / stage, folder / "var")
    child = _start(folder, stage)
    time.sleep(seconds / 2)
    child.send_signal(signal.SIGKILL)
    child.wait()
    kept = _products(folder, stage)
    stage_runs.run(folder, stage)
    return {"same": _products(folder, stage) == before, "kept_whole": kept == before, "seconds": round(seconds, 1)}


def _products(folder: Path, stage: str) -> dict[str, str]:
    import yaml  # noqa: PLC0415 - of this measurement alone

    outs = yaml.safe_load((stage_runs.ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"][stage].get("outs", [])
    # Pages name times, and verdicts when they were given.
    return {
        name: sha256_path(folder / name)
        for name in outs
        if not name.endswith((".html", "verdict.json")) and (folder / name).exists()
    }


def _unchanged(out: Path, seed: int) -> dict[str, Any]:
    """Seconds of a `dvc repro` of every stage on which nothing has changed."""
    folder = _finished(out, seed)
    shutil.copy2(stage_runs.ROOT / "dvc.yaml", folder)
    for name in ("pipelines", "strategies"):
        if not (folder / name).exists():
            (folder / name).symlink_to(stage_runs.ROOT / name)
    if not (folder / ".dvc").exists():
        _dvc(folder, "init", "--no-scm", "-q")
        _dvc(folder, "commit", "-f", "-q")
    started = time.perf_counter()
    _dvc(folder, "repro", "-q")
    return {"seconds": round(time.perf_counter() - started, 1)}


def _dvc(folder: Path, *command: str) -> None:
    subprocess.run([sys.executable, "-m", "dvc", *command], cwd=folder, check=True, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    sys.exit(exit_status("night", main))
