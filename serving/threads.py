"""The threads beside the event loop: one for the account, whose calls keep their order, one for heartbeats, one for the
mind."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

T = TypeVar("T")


class Threads:
    """`at_venue` runs what talks to the account, `at_pulse` heartbeats, `in_mind` what forecasts, decides and journals;
    each in order."""

    def __init__(self) -> None:
        self._venue = ThreadPoolExecutor(1, "venue")
        self._pulse = ThreadPoolExecutor(1, "pulse")
        self._mind = ThreadPoolExecutor(1, "mind")

    async def at_venue(self, call: Callable[..., T], *arguments: Any) -> T:
        """The result of a blocking call to the account."""
        return await asyncio.get_running_loop().run_in_executor(self._venue, call, *arguments)

    async def at_pulse(self, call: Callable[[], T]) -> T:
        """The result of a heartbeat, which waits for nothing else that talks to the account."""
        return await asyncio.get_running_loop().run_in_executor(self._pulse, call)

    async def in_mind(self, call: Callable[..., T], *arguments: Any) -> T:
        """The result of a computation."""
        return await asyncio.get_running_loop().run_in_executor(self._mind, call, *arguments)

    async def close(self) -> None:
        """Wait for what runs, then end all."""
        for pool in (self._venue, self._pulse, self._mind):
            await asyncio.to_thread(pool.shutdown, wait=True)
