"""`make flows`: the deployments of prefect.yaml with a Prefect server and its UI.

Where `make run` is up, its servers and its exchange are used; else servers are started here, and stopped with it.
"""

import os
import signal
import sys
import time

from flows.local.attach import environment, running_ports
from flows.local.children import ChildFailed
from flows.local.screen import Screen
from flows.local.stack import Ports, Stack
from flows.local.up import interrupt, only_one
from pipelines.core import params as parameters
from pipelines.core.artifacts import read_json
from pipelines.core.errors import SettingError
from pipelines.core.products import REPLAY, WINDOW
from pipelines.core.settings import Mode, Settings, Source

COMMAND = [sys.executable, "-m", "flows", "serve", "--attached"]


def serve() -> int:
    """Serve all flows until Ctrl-C; the exit status.

    Raises:
        OddsmithError: if a server cannot start, or a part ends by itself.
    """
    settings, screen = Settings(), Screen()
    _refuse_venue_on_simulator(settings.mode)
    ports = running_ports(settings.var)
    if ports is not None:
        screen.say(f"  `make run` is up: its flows are served too, see {ports.urls()['prefect']}deployments")
        # The system keeps its children: this process becomes the runner, and Ctrl-C ends the runner alone.
        os.execve(COMMAND[0], COMMAND, {**os.environ, **environment(settings, ports)})  # noqa: S606 - fixed list
    with only_one(settings.var):
        return _alone(settings, screen)


def _alone(settings: Settings, screen: Screen) -> int:
    stack = Stack(settings.var, parameters.load(), Ports.reserve(), screen)
    stack.children.clear_up_last_run()
    signal.signal(signal.SIGTERM, interrupt)
    try:
        _start(stack, settings.mode)
        screen.say(f"  flows are served; Ctrl-C stops them. UI: {stack.ports.urls()['prefect']}deployments")
        stack.children.start("flows", COMMAND, environment(settings, stack.ports), stop_s=15, shown=True)
        while not (ended := stack.children.ended()):
            time.sleep(0.5)
        raise ChildFailed(f"{ended[0].name} ended by itself: {ended[0].last_line()} (see {ended[0].log})")
    except KeyboardInterrupt:
        screen.event("stopping in order")
    finally:
        stack.children.stop("flows")
        stack.stop()
    return 0


def _start(stack: Stack, mode: Mode) -> None:
    urls = stack.ports.urls()
    prefect, mlflow = stack.start_prefect(), stack.start_mlflow()
    if mode is Mode.SIMULATED:
        simulator = stack.start_simulator(replay=REPLAY if _last_source() is Source.RECORDED else None)
        stack.await_ready(simulator, f"{urls['simulator']}ok", 120)
    stack.await_ready(mlflow, f"{urls['mlflow']}health", 180)
    stack.await_ready(prefect, f"{urls['prefect']}api/health", 180)


def _last_source() -> Source | None:
    """The source of the last window; None before the first."""
    return Source(read_json(WINDOW)["source"]) if WINDOW.is_file() else None


def _refuse_venue_on_simulator(mode: Mode) -> None:
    if mode is Mode.SIMULATED and _last_source() is Source.POLYMARKET:
        raise SettingError(
            f"{WINDOW} is of the venue, and mode simulated would read the nights from a local exchange; set "
            "ODDSMITH_MODE=paper (in .env for every command), or begin anew with `make run FRESH=1`"
        )
