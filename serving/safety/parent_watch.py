"""Watches the parent process: BentoML starts and supervises this one, and without it nobody can stop the bot in
order."""

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from typing import Final

from pipelines.core import log

EVERY_S: Final = 1.0

_log = log.get("parent")


async def end_with_parent(stop: Callable[[], Awaitable[None]], parent: int, every_s: float = EVERY_S) -> None:
    """Wait until the process that started this one is gone; then stop the bot in order and end this process."""
    while os.getppid() == parent:  # noqa: ASYNC110 - there is no event for the end of a parent
        await asyncio.sleep(every_s)
    _log.error("THE SUPERVISOR IS GONE: the bot cancels its resting orders and ends", parent=parent)
    await stop()
    os.kill(os.getpid(), signal.SIGTERM)


def is_worker() -> bool:
    """Whether a supervisor of BentoML started this process, and not a shell."""
    return sys.argv[1:2] != ["serve"]
