"""A kill at every edge of one plan for the price of its rest: at each edge the process of the world is copied.

The copy's bot dies there and the copy plays on to its end, on a copy of the journal; the original's bot lives. What
comes before an edge is played once for all edges, and the copies give what a plan with `dies_at` gives, event by event.
"""

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from drills.clock import REAL
from pipelines.core.settings import Settings

Row = dict[str, Any]


@dataclass(slots=True)
class Forks:
    """Copies of one world. `wanted` says at which edges; at most `workers` copies run at a time.

    `taken` gets the row of each copy when it has ended.
    """

    wanted: Callable[[int], bool]
    taken: Callable[[Row], None]
    workers: int = 1
    edge: int | None = None
    """The edge at which the bot of this process died; None in the original."""
    folder: Path | None = None
    """Where the journal of this copy is."""
    began: float = 0.0
    """When this copy began, on the machine's clock."""
    _answer: int = -1
    _running: list[tuple[int, int]] = field(default_factory=list)

    def split(self, edge: int, folder: Path) -> bool:
        """Copy the process at an edge; True in the copy. `folder` holds the journal."""
        if self.edge is not None or not self.wanted(edge):
            return False
        while len(self._running) >= self.workers:
            self._reap()
        copy = folder.with_name(f"{folder.name}-{edge}")
        # Without the shared memory of the log: the copy recovers the journal as after a kill.
        shutil.copytree(folder, copy, ignore=shutil.ignore_patterns("*-shm"))
        reading, writing = os.pipe()
        process = os.fork()
        if process:
            os.close(writing)
            self._running.append((process, reading))
            return False
        self.edge, self.folder, self._answer, self._running = edge, copy, writing, []
        self.began = REAL["perf_counter"]()
        return True

    def moved(self, settings: Settings) -> Settings:
        """Settings whose files are those of this copy, so that it never writes into the folder of the original."""
        if self.folder is None:
            return settings
        return settings.model_copy(update={"var": self.folder, "kill_switch": self.folder / "KILL"})

    def end(self, row: Row) -> None:
        """In a copy: hand the row over and end the process. In the original: wait for the copies."""
        if self.edge is None:
            while self._running:
                self._reap()
            return
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)
        with os.fdopen(self._answer, "w") as answer:
            answer.write(json.dumps(row))
        os._exit(0)  # what the original opened is the original's to close

    def _reap(self) -> None:
        process, reading = self._running.pop(0)
        with os.fdopen(reading) as answer:
            said = answer.read()
        _, status = os.waitpid(process, 0)
        if not said:
            raise RuntimeError(f"a copy of the world ended with status {status} and without a row")
        self.taken(json.loads(said))
