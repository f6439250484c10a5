"""The loops that keep a venue moving: market steps at a chosen speed, and upkeep by the wall clock."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import structlog

from pipelines.core.artifacts import read_json, write_json
from pipelines.core.errors import ArtifactError
from simulator.venue.venue import Venue

UPKEEP_S = 0.05
STATE_EVERY_S = 5.0


async def run_market(venue: Venue) -> None:
    """One step per step_s / speed wall seconds, without drift; a late step is followed at once by the next."""
    speed = venue.options.speed
    if speed <= 0:
        return
    period = venue.source.step_s / speed
    due = time.monotonic() + period
    while True:
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        await venue.step()
        due = max(due + period, time.monotonic() - 5 * period)


async def run_upkeep(venue: Venue, publish: Callable[[], None]) -> None:
    """Settlement, expiries and heartbeats, twenty times a second."""
    while True:
        venue.upkeep()
        publish()
        await asyncio.sleep(UPKEEP_S)


async def run_state(venue: Venue, path: Path) -> None:
    """Remember the market time every few seconds."""
    while True:
        write_state(venue, path)
        await asyncio.sleep(STATE_EVERY_S)


def write_state(venue: Venue, path: Path) -> None:
    """Seed and market time, replaced by rename."""
    write_json(path, {"seed": venue.options.source.seed, "market_time_s": venue.now_s})


def read_state(path: Path, seed: int) -> int | None:
    """Market time to resume at; None when there is no state or it belongs to another seed."""
    if not path.exists():
        return None
    try:
        state = read_json(path)
        return int(state["market_time_s"]) if state.get("seed") == seed else None
    except (ArtifactError, KeyError, TypeError, ValueError, AttributeError):
        structlog.get_logger(part="simulator").warning("state is unreadable, market time starts again", path=str(path))
        return None
