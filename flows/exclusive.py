"""One at a time on this machine, whoever started it: a schedule, a trigger, a person, another flow.

Prefect's own limits count runs of one deployment at one server; a night by hand has a server of its own. So a lock file
in var decides. Within one process a flow that calls another keeps what it holds.
"""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Final

from flows.local.folder_lock import POLL_S, held, holder
from pipelines.core.errors import AlreadyRunning
from pipelines.core.settings import Settings

NIGHT: Final = "night"
"""Writes data, models and reports: nightly."""
CHAMPION: Final = "champion"
"""Changes which bundle trades: promote, rollback, deploy."""
LANDING: Final = "landing"
"""Appends to the landing zone: ingest, backfill, a night before its window."""

_mine: dict[str, int] = {}


@contextmanager
def alone(what: str, name: str, wait_s: float = 0.0) -> Iterator[None]:
    """Do something of a kind while nobody else on this machine does; `name` is what others are told.

    Raises:
        AlreadyRunning: naming the other process, if it still runs after `wait_s` wall seconds.
    """
    if what in _mine:
        yield
        return
    path, deadline = Settings().var / f"{what}.lock", time.monotonic() + wait_s
    with ExitStack() as stack:
        while True:
            try:
                stack.enter_context(held(path, name))
                break
            except AlreadyRunning:
                if time.monotonic() >= deadline:
                    other = holder(path)
                    who = f"{other.command} (process {other.pid})" if other else "another process"
                    raise AlreadyRunning(f"{who} is at work here; {name} can run when it has ended") from None
                time.sleep(POLL_S)
        _mine[what] = 1
        try:
            yield
        finally:
            del _mine[what]
