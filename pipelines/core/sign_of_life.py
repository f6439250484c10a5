"""The sign of life of a bot in `var/alive.json`: the bot writes it, the flows read it and tell people when it stops."""

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pipelines.core.artifacts import read_json, write_json
from pipelines.core.errors import ArtifactError

EVERY_S: Final = 5.0
"""Least wall seconds between two writes."""


def file_of(var: Path) -> Path:
    """Where the sign is."""
    return var / "alive.json"


class Pulse:
    """The bot's side. A sign that cannot be written is left out: a full disk must not end trading."""

    def __init__(self, var: Path) -> None:
        self._path = file_of(var)
        self._written = float("-inf")

    def beat(self) -> None:
        """A turn, or a comparison with the venue, is done."""
        if time.monotonic() - self._written >= EVERY_S:
            self._written = time.monotonic()
            self._write(stopped=False)

    def stop(self) -> None:
        """The bot ends in order: its silence is meant so."""
        self._write(stopped=True)

    def _write(self, *, stopped: bool) -> None:
        try:
            write_json(self._path, {"at_s": round(time.time(), 3), "pid": os.getpid(), "stopped": stopped})
        except ArtifactError:
            return


@dataclass(frozen=True, slots=True)
class Sign:
    """The last sign: wall time in Unix seconds, and whether it was the bot's orderly end."""

    at_s: float
    pid: int
    stopped: bool


def read(var: Path) -> Sign | None:
    """The last sign of life; None where no bot has ever traded here, or the file cannot be read."""
    try:
        found = read_json(file_of(var))
        return Sign(float(found["at_s"]), int(found["pid"]), bool(found["stopped"]))
    except (ArtifactError, KeyError, TypeError, ValueError):
        return None
