"""The loops that keep a venue moving: market steps at a chosen speed, and upkeep by the wall clock."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

from pipelines.core.artifacts import write_bytes
from simulator.venue import saved_state
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
    """Keep what the venue knows every few seconds, between two steps; the file is written in a thread."""
    while True:
        async with venue.stepping:
            content = saved_state.encode(venue)
        writing = asyncio.create_task(asyncio.to_thread(write_bytes, path, content))
        try:
            await asyncio.shield(writing)
        finally:
            await writing  # when this loop is cancelled the file is finished first: another write comes after it
        await asyncio.sleep(STATE_EVERY_S)
