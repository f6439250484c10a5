"""Threads for what blocks: one for the account, one for heartbeats, one for the model. Each runs its calls in order."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import Any, TypeVar

T = TypeVar("T")


class Threads:
    """Calls to the account keep their order, and a heartbeat waits for none of them.

    `pool` makes an executor of so many threads with a name.
    """

    def __init__(self, pool: Callable[[int, str], Executor] = ThreadPoolExecutor) -> None:
        self._account = pool(1, "account")
        self._heartbeat = pool(1, "heartbeat")
        self._model = pool(1, "model")

    async def in_account_thread(self, call: Callable[..., T], *arguments: Any) -> T:
        """The result of a blocking call to the account: orders, trades, balances, accounting."""
        return await asyncio.get_running_loop().run_in_executor(self._account, call, *arguments)

    async def in_heartbeat_thread(self, call: Callable[[], T]) -> T:
        """The result of a heartbeat, which waits for nothing else that talks to the account."""
        return await asyncio.get_running_loop().run_in_executor(self._heartbeat, call)

    async def in_model_thread(self, call: Callable[..., T], *arguments: Any) -> T:
        """The result of forecasting, deciding and writing the journal."""
        return await asyncio.get_running_loop().run_in_executor(self._model, call, *arguments)

    async def close(self) -> None:
        """Wait for what runs, then end all threads."""
        for pool in (self._account, self._heartbeat, self._model):
            await asyncio.to_thread(pool.shutdown, wait=True)
