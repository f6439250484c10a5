"""One process of the bot, from its start to its stop, or to its kill at a chosen point (an "edge").

An edge is a moment at which a kill makes a difference that others can see: before a commit of the journal, before a
request leaves, and when its answer arrives. A kill between two edges has the same effect as one at the next edge. A
killed process can neither write to the journal nor reach the venue, even while some of its code still runs.
"""

import asyncio
from collections.abc import Callable, Coroutine
from contextvars import ContextVar, copy_context
from functools import partial
from typing import Any

from sqlalchemy import URL, Engine, QueuePool, create_engine, event

from drills.forks import Forks
from drills.loop import VirtualLoop
from drills.model import ScriptedModelWatch
from drills.network import BotNetwork
from drills.wires import Wires
from pipelines.core.params import Params
from pipelines.core.settings import Settings
from pipelines.venue.network import NETWORK
from serving.account.accounting import Accounting
from serving.bot import Bot
from serving.threads import Threads

_FIRST: list[Engine] = []
"""The engine of the first journal of this process. Its statements are compiled once for all journals."""


def engine_of(address: URL, **options: Any) -> Engine:
    """What `create_engine` gives, with the dialect and the compiled statements of the first one."""
    if not _FIRST:
        _FIRST.append(create_engine(address, **options))
        return _FIRST[0]
    first = _FIRST[0]
    positional, named = first.dialect.create_connect_args(address)
    made = Engine(QueuePool(lambda: first.dialect.connect(*positional, **named)), first.dialect, address)
    made._compiled_cache = first._compiled_cache
    return made


_INHERITED: list["Life"] = []
"""In a copy of a process: the life that was copied. It is kept, so that nothing closes its connections."""

LIFE: ContextVar["Life"] = ContextVar("life")
"""The process of the bot to which the running code belongs."""


class Killed(BaseException):
    """The process was killed here."""


class Life:
    """A process of the bot that counts the edges it has passed. It is killed at edge number `dies_at`."""

    def __init__(
        self,
        loop: VirtualLoop,
        wires: Wires,
        settings: Settings,
        params: Params,
        dies_at: int | None = None,
        forks: Forks | None = None,
        policy: str = "clock",
    ) -> None:
        self._policy = policy
        self.edges = 0
        self.died = asyncio.Event()
        self.dead_at = ""
        self._dies_at = dies_at
        self._forks = forks
        self._folder = settings.var
        self._loop = loop
        self._trace = wires.trace
        self.network = BotNetwork(wires, self.edge)
        self._context = copy_context()
        self.bot: Bot = self._context.run(self._make, settings, params)
        event.listen(self.bot._journal._engine, "commit", self._commit)

    def _make(self, settings: Settings, params: Params) -> Bot:
        LIFE.set(self)
        NETWORK.set(self.network)
        return Bot(settings, params, Threads(self._loop.pool), partial(ScriptedModelWatch, policy=self._policy))

    def edge(self, kind: str, name: str) -> None:
        """Called at every moment at which the process can be killed.

        Raises:
            Killed: if it is killed now, or was killed before.
        """
        if self.died.is_set():
            raise Killed(self.dead_at)
        if kind == "message":
            return
        self.edges += 1
        if self._forks is not None and self._forks.split(self.edges, self._folder):
            self._dies_at = self.edges
            _INHERITED.append(self)
            self.bot._settings = self._forks.moved(self.bot._settings)  # a kill switch still reaches the dead bot
            asyncio._set_running_loop(self._loop)  # a loop is forgotten in the copy of its process
        if self._dies_at is not None and self.edges >= self._dies_at:
            self.dead_at = f"{kind} {name}"
            self._trace("killed", kind, name)
            self.died.set()
            raise Killed(self.dead_at)

    def _commit(self, connection: Any) -> None:
        self._trace("commit")
        self.edge("commit", "journal")

    @property
    def accounting(self) -> Accounting | None:
        """The books; None before the account is open."""
        lasting = self.bot._lasting
        return lasting.account.accounting if lasting is not None else None

    def start(self) -> None:
        """Begin to trade."""
        self._context.run(self.bot.start)

    async def do(self, work: Coroutine[Any, Any, None]) -> bool:
        """Run something in this process, such as a call of its service. False when the process was killed meanwhile."""
        try:
            await self._loop.create_task(work, context=self._context)
        except Killed:
            return False
        return True

    async def bury(self) -> None:
        """End the tasks that a killed process left, and free what the operating system would free."""
        self.died.set()
        self.dead_at = self.dead_at or "at the end"
        task = self.bot._task
        if task is not None:
            task.cancel()
            await asyncio.wait({task}, timeout=5.0)
            if task.done() and not task.cancelled():
                task.exception()
        if self in _INHERITED:
            return  # lock and connections belong to the process that was copied
        self.bot._journal._lock.release()
        self.bot._journal._engine.dispose()


def network_of_this_life() -> Callable[[], BotNetwork]:
    """A function that returns the network of the calling thread."""
    return lambda: LIFE.get().network
