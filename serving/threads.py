"""Threads for what blocks: one for the account, one for heartbeats, one for the model, each of which runs its calls in
order, and some for orders on their way, which wait for nobody."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import Any, Final, TypeVar

T = TypeVar("T")

ORDERS_AT_ONCE: Final = 16
"""Orders that may be on their way at the same time; another one waits for the first answer."""


class Threads:
    """Calls to the account keep their order, and a heartbeat waits for none of them.

    `pool` makes an executor of so many threads with a name.
    """

    def __init__(self, pool: Callable[[int, str], Executor] = ThreadPoolExecutor) -> None:
        self._account = pool(1, "account")
        self._heartbeat = pool(1, "heartbeat")
        self._model = pool(1, "model")
        self._orders = pool(ORDERS_AT_ONCE, "order")

    async def in_account_thread(self, call: Callable[..., T], *arguments: Any) -> T:
        """The result of a blocking call to the account: orders, trades, balances, accounting."""
        return await asyncio.get_running_loop().run_in_executor(self._account, call, *arguments)

    async def in_heartbeat_thread(self, call: Callable[[], T]) -> T:
        """The result of a heartbeat, which waits for nothing else that talks to the account."""
        return await asyncio.get_running_loop().run_in_executor(self._heartbeat, call)

    async def in_model_thread(self, call: Callable[..., T], *arguments: Any) -> T:
        """The result of forecasting, deciding and writing the journal."""
        return await asyncio.get_running_loop().run_in_executor(self._model, call, *arguments)

    def begin_order(self, call: Callable[[], T]) -> "Future[T]":
        """The future of the blocking call that sends an order."""
        return self._orders.submit(call)

    async def close(self) -> None:
        """Wait for what runs, then end all threads."""
        for pool in (self._account, self._heartbeat, self._model, self._orders):
            await asyncio.to_thread(pool.shutdown, wait=True)
