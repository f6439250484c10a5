"""`oddsmith flows serve`: the deployments of prefect.yaml with a Prefect server and its UI.

Where `oddsmith run` is up, its servers and its exchange are used, and the flows end with it; else servers are started
here, and stopped with the flows.
"""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress

from flows.local.attach import environment, running_ports
from flows.local.children import ChildFailed
from flows.local.folder_lock import FLOWS, SYSTEM, held, is_held
from flows.local.screen import Screen
from flows.local.stack import Ports, Stack
from flows.local.up import interrupt
from pipelines.core import params as parameters
from pipelines.core.artifacts import read_json
from pipelines.core.errors import SettingError
from pipelines.core.products import REPLAY, WINDOW
from pipelines.core.settings import Mode, Settings, Source

COMMAND = [sys.executable, "-m", "flows", "serve", "--attached"]
NAME = "oddsmith flows serve"
STOP_S = 15.0
POLL_S = 0.5


def serve() -> int:
    """Serve all flows until Ctrl-C; the exit status.

    Raises:
        OddsmithError: if a server cannot start, or a part ends by itself.
    """
    settings, screen = Settings(), Screen()
    _refuse_venue_on_simulator(settings.mode)
    signal.signal(signal.SIGTERM, interrupt)
    ports = running_ports(settings.var)
    if ports is not None:
        with held(settings.var / FLOWS, NAME):
            return _attached(settings, ports, screen)
    with held(settings.var / SYSTEM, NAME) as sign:
        stack = Stack(settings.var, parameters.load(), Ports.reserve(), screen)
        sign(stack.ports.urls())
        return _alone(settings, stack, screen)


def _attached(settings: Settings, ports: Ports, screen: Screen) -> int:
    """Serve the flows at the servers of the running system, until Ctrl-C or its end."""
    screen.say(f"  the running system's flows are served too, see {ports.urls()['prefect']}deployments")
    runner = subprocess.Popen(COMMAND, env={**os.environ, **environment(settings, ports)}, start_new_session=True)
    try:
        while is_held(settings.var / SYSTEM):
            if (status := runner.poll()) is not None:
                raise ChildFailed(f"the runner of the flows ended by itself with status {status}; see its lines above")
            time.sleep(POLL_S)
        screen.event("the system ended, and the flows with it")
    except KeyboardInterrupt:
        screen.event("stopping in order")
    finally:
        _end(runner)
    return 0


def _end(runner: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(runner.pid, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        runner.wait(STOP_S)
    with suppress(ProcessLookupError):
        os.killpg(runner.pid, signal.SIGKILL)
    runner.wait()


def _alone(settings: Settings, stack: Stack, screen: Screen) -> int:
    stack.children.clear_up_last_run()
    try:
        _start(stack, settings.mode)
        screen.say(f"  flows are served; Ctrl-C stops them. UI: {stack.ports.urls()['prefect']}deployments")
        stack.children.start("flows", COMMAND, environment(settings, stack.ports), stop_s=STOP_S, shown=True)
        while not (ended := stack.children.ended()):
            stack.children.rotate_logs()
            time.sleep(POLL_S)
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
