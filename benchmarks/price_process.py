"""A socket of reference prices in a process of its own, as every source of them is one: it says what it is told."""

import asyncio
import multiprocessing as mp
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from multiprocessing.connection import Connection
from typing import Final

from websockets.asyncio.server import ServerConnection, serve

_START_S: Final = 60.0


class PriceProcess:
    """The other end of the process. `url` is where prices are subscribed to."""

    def __init__(self, pipe: Connection, url: str) -> None:
        self._pipe = pipe
        self.url = url
        self._sent: asyncio.Queue[float] = asyncio.Queue()

    async def send(self, messages: Sequence[str]) -> float:
        """Send messages to every subscriber; the time (perf_counter, which all processes of a machine share) at which
        the first one began to be sent."""
        self._pipe.send(list(messages))
        return await self._sent.get()

    def hear(self, first: Callable[[], Sequence[str]]) -> None:
        """Take what the process says: when it has sent, or that somebody has subscribed, who is told `first`."""
        while self._pipe.poll():
            said = self._pipe.recv()
            if said is None:
                self._pipe.send(list(first()))
            else:
                self._sent.put_nowait(said)


@asynccontextmanager
async def price_process(first: Callable[[], Sequence[str]]) -> AsyncIterator[PriceProcess]:
    """The process, until the end of the block. `first` gives the messages that a new subscriber is sent.

    Raises:
        RuntimeError: if it does not start within a minute.
    """
    context = mp.get_context("spawn")
    own, its = context.Pipe()
    process = context.Process(target=_run, args=(its,), daemon=True)
    process.start()
    if not await asyncio.to_thread(own.poll, _START_S):
        process.kill()
        raise RuntimeError(f"the process of the prices did not start within {_START_S:g} s")
    made = PriceProcess(own, f"ws://127.0.0.1:{own.recv()}")
    loop = asyncio.get_running_loop()
    loop.add_reader(own.fileno(), made.hear, first)
    try:
        yield made
    finally:
        loop.remove_reader(own.fileno())
        process.terminate()
        await asyncio.to_thread(process.join)


def _run(pipe: Connection) -> None:
    asyncio.run(_serve(pipe))


async def _serve(pipe: Connection) -> None:
    told: asyncio.Queue[list[str]] = asyncio.Queue()
    subscribers: set[ServerConnection] = set()

    async def subscriber(connection: ServerConnection) -> None:
        await connection.recv()
        pipe.send(None)
        for message in await told.get():
            await connection.send(message)
        subscribers.add(connection)
        try:
            await connection.wait_closed()
        finally:
            subscribers.discard(connection)

    async with serve(subscriber, "127.0.0.1", 0) as server:
        asyncio.get_running_loop().add_reader(pipe.fileno(), lambda: _hear(pipe, told))
        pipe.send(next(iter(server.sockets)).getsockname()[1])
        while True:
            if not subscribers:
                await asyncio.sleep(0.01)
                continue
            messages = await told.get()
            began = time.perf_counter()
            for connection in list(subscribers):
                with _in_one_segment(connection):
                    for message in messages:
                        await connection.send(message)
            pipe.send(began)


def _hear(pipe: Connection, told: asyncio.Queue[list[str]]) -> None:
    """Take what is to be said; where nobody is there any more to say it, end."""
    try:
        told.put_nowait(pipe.recv())
    except EOFError:
        raise SystemExit from None


@contextmanager
def _in_one_segment(connection: ServerConnection) -> Iterator[None]:
    """Let what is sent inside arrive together: of a reader that is woken by the first message of several, chance would
    say whether the others are there already."""
    wire: socket.socket = connection.transport.get_extra_info("socket")
    wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
    try:
        yield
    finally:
        wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 0)
