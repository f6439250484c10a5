"""The loops of a running venue: market steps at a chosen speed, upkeep by the wall clock, and saves of its state."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

from pipelines.core.artifacts import write_bytes
from simulator.venue import saved_state
from simulator.venue.venue import Venue

UPKEEP_S = 0.05
"""Wall seconds between two rounds of upkeep."""

STATE_EVERY_S = 5.0
"""Wall seconds between two saves of the state."""


async def run_market(venue: Venue) -> None:
    """Step the market every `step_s / speed` wall seconds. Returns at once when the speed is 0."""
    speed = venue.options.speed
    if speed <= 0:
        return
    period = venue.source.step_s / speed
    due = time.monotonic() + period
    while True:
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        await venue.step()
        # Counting from the due time keeps the average speed exact. After a long pause at most five steps are made up.
        due = max(due + period, time.monotonic() - 5 * period)


async def run_upkeep(venue: Venue, publish: Callable[[], None]) -> None:
    """Every `UPKEEP_S`: advance settlement, expiries and heartbeats, then call `publish`."""
    while True:
        venue.upkeep()
        publish()
        await asyncio.sleep(UPKEEP_S)


async def run_state(venue: Venue, path: Path) -> None:
    """Save the state of the venue to `path` every `STATE_EVERY_S`, between two steps; a thread writes the file."""
    while True:
        async with venue.stepping:
            content = saved_state.encode(venue)
        writing = asyncio.create_task(asyncio.to_thread(write_bytes, path, content))
        try:
            await asyncio.shield(writing)
        finally:
            await writing  # a cancelled loop finishes its write first, because the shutdown writes the same file next
        await asyncio.sleep(STATE_EVERY_S)
