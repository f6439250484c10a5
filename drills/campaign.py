"""Plays many plans in several processes. Each result is a line of a file, so a campaign that stopped can be
continued."""

import itertools
import json
import logging
import multiprocessing
import os
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import structlog

from drills import plans, playing
from drills.forks import Forks
from drills.markets import BAR_MIN
from drills.plan import Plan
from drills.shrink import shrink

MOST_EDGES = 20_000
"""No plan has more edges; where their number is not known, rows are looked for up to here."""

CHUNK = 4
"""Plans that a process takes at once."""


@dataclass(slots=True)
class Summary:
    """What a campaign found."""

    schedules: int = 0
    bars: int = 0
    wall_s: float = 0.0
    cpu_s: float = 0.0
    slowest_recovery: int = 0
    orders: int = 0
    trades: int = 0
    faults: set[str] = field(default_factory=set)
    pairs: set[tuple[str, str]] = field(default_factory=set)
    failed: list[dict[str, Any]] = field(default_factory=list)

    def add(self, row: dict[str, Any]) -> None:
        """Count a plan that was played."""
        self.schedules += 1
        self.bars += row["bars"]
        self.cpu_s += row["cpu_s"]
        self.orders += row["orders"]
        self.trades += row["trades"]
        self.slowest_recovery = max(self.slowest_recovery, row["recovered_after"])
        named = [event["fault"] for event in row["plan"]["events"]]
        self.faults.update(named)
        self.pairs.update(itertools.combinations(sorted(set(named)), 2))
        if row["violations"]:
            self.failed.append(row)

    def document(self) -> dict[str, Any]:
        """The keys of `oddsmith drill --json`."""
        speed = self.bars * BAR_MIN / self.wall_s if self.wall_s else 0.0
        return {
            "schedules": self.schedules,
            "violations": len(self.failed),
            "faults": len(self.faults),
            "pairs": len(self.pairs),
            "market_minutes_per_s": round(speed, 1),
        }


def quiet() -> None:
    """Silence the bot's log: a drill prints its findings, and nobody reads the log of thousands of worlds."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))


@dataclass(frozen=True, slots=True)
class Deaths:
    """A plan, and a kill at every `every`-th of its edges."""

    plan: Plan
    every: int = 1


def play(plan: Plan, forks: Forks | None = None) -> dict[str, Any]:
    """Play a plan and return its result as JSON. An exception in the world itself counts as a violation."""
    try:
        report = playing.run(plan, forks)
    except Exception as error:
        plan = plan if forks is None or forks.edge is None else replace(plan, dies_at=forks.edge)
        failed = {"invariant": "world", "bar": 0, "detail": repr(error)[:300]}
        row = {
            "bars": 0,
            "recovered_after": 0,
            "orders": 0,
            "trades": 0,
            "edges": 0,
            "died_at": "",
            "took_s": 0.0,
            "cpu_s": 0.0,
        }
        return {"plan": plan.document(), "violations": [failed], **row}
    return {
        "plan": report.plan.document(),
        "violations": [asdict(one) for one in report.violations],
        "bars": report.bars,
        "recovered_after": report.recovered_after,
        "orders": report.orders,
        "trades": report.trades,
        "edges": report.edges,
        "died_at": report.died_at,
        "took_s": round(report.took_s, 3),
        "cpu_s": round(report.cpu_s, 3),
    }


def _name(plan: Plan) -> str:
    return json.dumps(plan.document(), sort_keys=True)


def _played(path: Path | None) -> dict[str, dict[str, Any]]:
    """Rows of an earlier run by plan. A line that cannot be read, such as a last one that was cut off, is left out."""
    if path is None or not path.is_file():
        return {}
    found = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            row = json.loads(line)
            found[json.dumps(row["plan"], sort_keys=True)] = row
        except (ValueError, KeyError):
            continue
    return found


def play_deaths(deaths: Deaths, known: Set[str], workers: int, path: Path | None) -> list[dict[str, Any]]:
    """Play a plan and each of its deaths whose name is not `known`; rows are appended to the file as they come."""
    rows: list[dict[str, Any]] = []

    def taken(row: dict[str, Any]) -> None:
        rows.append(row)
        _keep(path, row)

    def wanted(edge: int) -> bool:
        return (edge - 1) % deaths.every == 0 and _name(replace(deaths.plan, dies_at=edge)) not in known

    forks = Forks(wanted, taken, workers)
    whole = play(deaths.plan, forks)
    forks.end(whole)
    if _name(deaths.plan) not in known:
        taken(whole)
    return rows


def _keep(path: Path | None, row: dict[str, Any]) -> None:
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")


def _done(deaths: Deaths, known: Mapping[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows of an earlier run."""
    plan = deaths.plan
    whole = known.get(_name(plan))
    edges = whole["edges"] if whole is not None else MOST_EDGES
    names = [_name(plan), *(_name(one) for one in list(plans.deaths(plan, edges))[:: deaths.every])]
    return [known[name] for name in names if name in known]


def _is_complete(deaths: Deaths, rows: Sequence[dict[str, Any]]) -> bool:
    whole = next((row for row in rows if row["plan"]["dies_at"] is None), None)
    return whole is not None and len(rows) == 1 + len(range(0, whole["edges"], deaths.every))


def run(wanted: Iterable[Plan | Deaths], workers: int = 1, path: Path | None = None) -> Summary:
    """Play plans in `workers` processes; those in the file `path` are not played again."""
    known, summary = _played(path), Summary()
    fresh: list[Plan] = []
    dying: list[Deaths] = []
    for plan in wanted:
        if isinstance(plan, Deaths):
            rows = _done(plan, known)
            summary.wall_s += sum(row["took_s"] for row in rows) / workers
            for row in rows:
                summary.add(row)
            dying += [] if _is_complete(plan, rows) else [plan]
            continue
        played = known.get(_name(plan))
        if played is None:
            fresh.append(plan)
        else:
            summary.wall_s += played["took_s"] / workers
            summary.add(played)
    began = time.perf_counter()
    for row in _all(fresh, workers):
        summary.add(row)
        _keep(path, row)
    for row in _all_deaths(dying, set(known), workers, path):
        summary.add(row)
    summary.wall_s += time.perf_counter() - began
    return summary


def _all(wanted: list[Plan], workers: int) -> Iterator[dict[str, Any]]:
    """Play each plan in a process with a fixed hash seed: the order of sets changes what a seed does."""
    if not wanted:
        return
    with _pool(workers) as pool:
        yield from pool.imap_unordered(play, wanted, chunksize=CHUNK if len(wanted) > CHUNK * workers else 1)


def _all_deaths(wanted: Sequence[Deaths], known: Set[str], workers: int, path: Path | None) -> Iterator[dict[str, Any]]:
    """One plan after the other, its deaths in copies of the process that plays it."""
    for deaths in wanted:
        with _pool(1) as pool:
            yield from pool.apply(play_deaths, (deaths, known, workers, path))


def _pool(workers: int) -> Any:
    os.environ["PYTHONHASHSEED"] = "0"
    return multiprocessing.get_context("spawn").Pool(workers, initializer=quiet, maxtasksperchild=200)


def shrunk(row: dict[str, Any]) -> Plan:
    """The smallest plan that breaks the first invariant that a row's plan broke."""
    broken = row["violations"][0]["invariant"]
    return shrink(Plan.of(row["plan"]), lambda plan: broken in {one["invariant"] for one in play(plan)["violations"]})


def kinds(rows: Iterable[dict[str, Any]]) -> dict[str, int]:
    """How often each invariant was broken."""
    return dict(Counter(one["invariant"] for row in rows for one in row["violations"]))
