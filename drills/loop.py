"""An event loop on a virtual clock, with threads as greenlets, so that one seed decides the order of all events."""

import asyncio
import random
from collections import deque
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor, Future
from contextvars import Context, copy_context
from functools import partial
from typing import Any

import greenlet

from drills.clock import Clock

LATEST_START_S = 0.02
"""A thread begins its call at a random time within these seconds, as on a busy machine."""


class Deadlock(RuntimeError):
    """Somebody waits, and nothing is left that could happen."""


class VirtualLoop(asyncio.BaseEventLoop):
    """A selector that runs what is ready. When nothing is ready, it moves the clock to the next timer."""

    def __init__(self, clock: Clock, seed: str) -> None:
        super().__init__()
        self.clock = clock
        self.chance = random.Random(f"threads {seed}")  # noqa: S311 - reproducible
        self._clock_resolution = 1e-6
        self._selector = self
        self._free = Pool(64, "free", self)
        clock.pause = self._pause

    def time(self) -> float:
        """Seconds since the world began."""
        return self.clock.now

    def select(self, timeout: float | None) -> list[Any]:
        """Move the clock to the next timer; there are no events from outside."""
        if timeout is None:
            raise Deadlock("no timer is left and nothing is ready")
        self.clock.move(timeout)
        return []

    def _process_events(self, event_list: list[Any]) -> None:
        """No event comes from outside."""

    def _write_to_self(self) -> None:
        """Nobody wakes this loop from another thread."""

    def run_in_executor(  # type: ignore[override]
        self, executor: Any, func: Callable[..., Any], *args: Any
    ) -> "asyncio.Future[Any]":
        """The result of a blocking call, which runs in a greenlet."""
        pool = executor if isinstance(executor, Pool) else self._free
        return pool.start(func, args)

    def pool(self, threads: int, name: str) -> "Pool":
        """An executor of greenlets."""
        return Pool(threads, name, self)

    def _pause(self, seconds: float) -> None:
        me = greenlet.getcurrent()
        if me.parent is None:
            self.clock.move(seconds)  # it stops the whole loop for that time, as it would outside a drill
            return
        self.call_later(max(0.0, seconds), me.switch)
        me.parent.switch()

    def wait(self, work: Awaitable[Any]) -> Any:
        """The result of a coroutine, for a blocking caller in a greenlet.

        Raises:
            RuntimeError: on the event loop itself, which such a call would stop.
        """
        me = greenlet.getcurrent()
        if me.parent is None:
            raise RuntimeError("a blocking call to the venue was made on the event loop")
        task = asyncio.ensure_future(work)
        task.add_done_callback(lambda _: me.switch())
        me.parent.switch()
        return task.result()


class Pool(Executor):
    """Runs calls in their order, `threads` of them at a time."""

    def __init__(self, threads: int, name: str, loop: VirtualLoop) -> None:
        self.name = name
        self._loop = loop
        self._idle = threads
        self._waiting: deque[tuple[Callable[..., Any], tuple[Any, ...], Future[Any], Context]] = deque()
        self._running = 0

    def start(self, call: Callable[..., Any], arguments: tuple[Any, ...]) -> "asyncio.Future[Any]":
        """Run a call when a thread is free, for who awaits it."""
        return asyncio.wrap_future(self.submit(call, *arguments), loop=self._loop)

    def submit(self, call: Callable[..., Any], /, *arguments: Any, **named: Any) -> "Future[Any]":
        """Run a call when a thread is free."""
        future: Future[Any] = Future()
        future.set_running_or_notify_cancel()
        self._waiting.append((partial(call, **named), arguments, future, copy_context()))
        self._next()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Wait until nothing runs."""
        while wait and (self._running or self._waiting):
            self._loop._pause(0.01)

    def _next(self) -> None:
        if not self._idle or not self._waiting:
            return
        self._idle -= 1
        self._running += 1
        call, arguments, future, context = self._waiting.popleft()
        thread = greenlet.greenlet(self._body, parent=_root())
        thread.gr_context = context
        delay_s = self._loop.chance.choice((0.0, 0.0, self._loop.chance.uniform(0.0, LATEST_START_S)))
        self._loop.call_later(delay_s, thread.switch, call, arguments, future)

    def _body(self, call: Callable[..., Any], arguments: tuple[Any, ...], future: "Future[Any]") -> None:
        try:
            result = call(*arguments)
        except BaseException as error:
            future.set_exception(error)
        else:
            future.set_result(result)
        finally:
            self._idle += 1
            self._running -= 1
            self._next()


def _root() -> greenlet.greenlet:
    """The greenlet in which the loop runs: a thread that waits goes back to it, whoever began its call."""
    found = greenlet.getcurrent()
    while found.parent is not None:
        found = found.parent
    return found
