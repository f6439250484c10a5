"""The nights that ended on this machine: var/nights.jsonl, a line each, and whether one is missing."""

import json
import time
from datetime import UTC, datetime

from pipelines.core.artifacts import append_lines, read_json, write_json
from pipelines.core.errors import ArtifactError
from pipelines.core.settings import Settings

NIGHTS = "nights.jsonl"
"""In var: a line for every night that ended, good or bad."""
PRESENT = "night.json"
"""In var while a night runs: the step that it is at. One that is still there later was left by a killed night."""


def at(step: str) -> None:
    """Note the step that the night is at."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    write_json(Settings().var / PRESENT, {"step": step, "since": now})


def present() -> dict[str, str] | None:
    """The step that the night is at, or that a killed night was at, and since when; None where no night runs."""
    path = Settings().var / PRESENT
    try:
        return dict(read_json(path)) if path.is_file() else None
    except (ArtifactError, TypeError, ValueError):
        return {"step": "unknown", "since": "unknown"}


def over() -> None:
    """The night is over, well or badly."""
    (Settings().var / PRESENT).unlink(missing_ok=True)


def remember(state: str, text: str = "") -> None:
    """Append the end of a night to var/nights.jsonl."""
    path = Settings().var / NIGHTS
    now = datetime.now(UTC).isoformat(timespec="seconds")
    line = json.dumps({"at": now, "ended_s": round(time.time(), 1), "state": state, "text": text}) + "\n"
    append_lines(path, line, 0o600)


def from_scratch(every: int) -> bool:
    """Whether the next night trains from scratch: the first one, and each that follows `every` good ones."""
    path = Settings().var / NIGHTS
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.is_file() else []
    return sum('"state": "completed"' in line for line in lines) % every == 0


def last_good_s() -> float | None:
    """When the last night ended well, in wall seconds; None where none did."""
    path = Settings().var / NIGHTS
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.is_file() else []
    for line in reversed(lines):
        try:
            row = json.loads(line)
        except ValueError:
            continue
        if isinstance(row, dict) and row.get("state") == "completed":
            return float(row["ended_s"])
    return None


def overdue(limit_h: float, now_s: float, since_s: float) -> str:
    """What to say when no night has ended well for too long, counted from `since_s` before the first one did; empty
    while one has."""
    last_s = last_good_s()
    counted_s = since_s if last_s is None else last_s
    if now_s - counted_s <= 3600.0 * limit_h:
        return ""
    when = datetime.fromtimestamp(counted_s, UTC).strftime("%Y-%m-%d %H:%M UTC")
    before = (
        f"none since {when}, when this was asked first"
        if last_s is None
        else f"the last one on {when}; the champion of then still trades"
    )
    return (
        f"no night has ended well for {(now_s - counted_s) / 3600.0:.0f} hours ({before}). See the runs of `nightly` in"
        " the Prefect UI, or run `oddsmith nightly --fresh`"
    )
