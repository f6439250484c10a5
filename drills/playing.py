"""Play a plan in a world of its own, on a clock of its own."""

import asyncio
import os
import random
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

from drills.clock import REAL, Clock, installed
from drills.forks import Forks
from drills.life import engine_of
from drills.loop import VirtualLoop
from drills.plan import Plan, Report
from drills.world import World
from serving.account import database
from serving.market import feed
from serving.safety import quote_watch
from simulator import loops

POLLED_S: Final = 0.2
"""Wall seconds between two polls of clocks and quotes by bot and venue, instead of 0.02 and 0.05: a poll that
finds nothing costs as much as one that finds something."""


@contextmanager
def _fast() -> Iterator[None]:
    """Make worlds cheaper: poll clocks seldom, and compile the statements of the journal once for all worlds."""
    before = feed.IDLE_S, quote_watch.LOOK_S, loops.UPKEEP_S, database.make_engine
    feed.IDLE_S = quote_watch.LOOK_S = loops.UPKEEP_S = POLLED_S
    database.make_engine = engine_of
    try:
        yield
    finally:
        feed.IDLE_S, quote_watch.LOOK_S, loops.UPKEEP_S, database.make_engine = before


def run(plan: Plan, forks: Forks | None = None) -> Report:
    """Play a plan in a world of its own. The same plan gives the same report in every process with PYTHONHASHSEED=0.

    With `forks` it returns once in this process and once in each copy of it, where `forks.edge` is set.
    """
    report, clock = Report(plan), Clock()
    began, began_cpu = REAL["perf_counter"](), time.process_time()
    folder = Path(tempfile.mkdtemp(prefix="drill-", dir=_memory()))
    state = random.getstate()
    random.seed(plan.seed)
    try:
        with installed(clock), _fast():
            loop = VirtualLoop(clock, str(plan.seed))
            asyncio.set_event_loop(loop)
            try:
                loop.run_until_complete(World(plan, folder, loop, forks).play(report))
                _clean(loop)
            finally:
                asyncio.set_event_loop(None)
                loop.close()
    finally:
        random.setstate(state)
        copied = forks is not None and forks.edge is not None
        if not copied:
            shutil.rmtree(folder, ignore_errors=True)
    # A copy of a process begins to count its processor time at 0.
    report.cpu_s = time.process_time() - (0.0 if copied else began_cpu)
    report.took_s = REAL["perf_counter"]() - (forks.began if forks is not None and copied else began)
    if forks is not None and copied:
        report.plan = replace(plan, dies_at=forks.edge)
    return report


def _clean(loop: VirtualLoop) -> None:
    left = asyncio.all_tasks(loop)
    for task in left:
        task.cancel()
    if left:
        loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))


def _memory() -> str | None:
    """A temporary folder, in memory where the machine has one, so that a commit does not wait for a disk."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108 - removed at the end
