"""The live process: BentoML around the bot. One worker, because one account has one loop.

`bentoml serve serving.service:Oddsmith` in the repository, or `bentoml serve oddsmith:<version>` of an installed bento.
"""

import asyncio
import os
import signal
import sys
from typing import Any

import bentoml

from pipelines.core import log
from pipelines.core.errors import OddsmithError
from pipelines.core.settings import Settings
from serving.account import reserve
from serving.bot import Bot
from serving.dashboard import doors, profiles_page
from serving.dashboard.web import application
from serving.paths import DASHBOARD, parameters
from serving.safety import control_socket
from serving.safety.parent_watch import end_with_parent, is_worker
from serving.start import check_start

_running: list[Bot] = []
_background: set[asyncio.Task[None]] = set()


def _preflight() -> None:
    """Refuse in the parent of `bentoml serve`, before it clears what a running service has there (its metrics)."""
    try:
        check_start(Settings().for_trading())
        parameters()
    except OddsmithError as error:
        print(f"oddsmith: {error}", file=sys.stderr, flush=True)  # noqa: T201 - the one line a person reads
        raise SystemExit(1) from None


if sys.argv[1:2] == ["serve"]:
    _preflight()
    control_socket.make_private()


def _bot() -> Bot:
    return _running[0]


@bentoml.service(
    name="oddsmith",
    workers=1,
    traffic={"timeout": 30},
    # The state knows no password: other machines reach it through a tunnel or a balancer with a login, or where
    # `--host` says so. The kill switch asks for a token then (`doors`).
    # In an image it listens on every address of the container, because nothing outside could reach its loopback.
    http={"host": "0.0.0.0" if os.environ.get("BENTOML_CONTAINERIZED") == "true" else "127.0.0.1"},  # noqa: S104
    metrics={"enabled": True},
    logging={"access": {"enabled": False}},
)
@bentoml.asgi_app(application(_bot, DASHBOARD, lambda: Settings().var), path="/")
class Oddsmith:
    """Forecasts on request, and trades by itself."""

    @bentoml.on_startup  # type: ignore[untyped-decorator]
    async def begin(self) -> None:
        """Open the journal and start the loop; what forbids that is one line, and the end of the process."""
        log.configure(json=not sys.stderr.isatty())
        try:
            bot = Bot(Settings().for_trading(), parameters(), reserve=reserve.SIZE)
        except OddsmithError as error:
            _refuse(error)
        _running.append(bot)
        profiles_page.announce(Settings())
        bot.start()
        if is_worker():
            _background.add(asyncio.create_task(end_with_parent(bot.stop, os.getppid())))

    @bentoml.on_shutdown  # type: ignore[untyped-decorator]
    async def end(self) -> None:
        """Cancel what rests, wait for what is in flight, close the journal."""
        if _running:
            await _running.pop().stop()

    async def __is_alive__(self) -> bool:
        """Whether the loop runs."""
        return bool(_running) and _bot().alive

    async def __is_ready__(self) -> bool:
        """Whether decisions are being taken on a live feed."""
        return bool(_running) and _bot().ready

    @bentoml.api(route="/forecast")  # type: ignore[untyped-decorator]
    async def forecast(self, market: str, horizon: int = 24) -> dict[str, Any]:
        """Predicted prices of a followed market at 1..horizon bars, with interval and confidence."""
        try:
            return await _bot().forecast(market, horizon)
        except OddsmithError as error:
            raise bentoml.exceptions.InvalidArgument(str(error)) from None


_settings = Settings()
Oddsmith.add_asgi_middleware(  # type: ignore[attr-defined]
    doors.Doors,
    hosts=_settings.allowed_hosts.split(","),
    token=lambda: doors.token(_settings),
    open_to_others=doors.listens_to_others,
)


def _refuse(error: OddsmithError) -> None:
    """Say why there is no bot and end BentoML as a whole: a supervisor that restarts the worker would not help."""
    print(f"oddsmith: {error}", file=sys.stderr, flush=True)  # noqa: T201 - the one line a person reads
    os.kill(os.getppid(), signal.SIGTERM)
    os._exit(1)
