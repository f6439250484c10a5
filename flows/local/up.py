"""`make run`: from nothing to a bot that trades a model it trained, and back to nothing in order."""

import fcntl
import json
import signal
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from flows.local.children import ChildFailed
from flows.local.screen import Screen
from flows.local.stack import Ports, Stack
from pipelines.core import params as parameters
from pipelines.core.artifacts import read_json, write_json
from pipelines.core.errors import AlreadyRunning, OddsmithError, SettingError
from pipelines.core.products import REPLAY
from pipelines.core.settings import Mode, Settings, Source


def up(source: Source, recording: str | None, *, fresh: bool, duration_s: float | None) -> int:
    """Run the whole system until Ctrl-C, or `duration_s` after the first decision; the exit status.

    Raises:
        OddsmithError: if a part cannot start; what did start is stopped first.
    """
    settings, params, screen = Settings(), parameters.load(), Screen()
    if settings.mode is not Mode.SIMULATED:
        raise SettingError(
            f"ODDSMITH_MODE was {settings.mode.value}, but `make run` is the simulated system; "
            "docs/going-live.md shows how to start paper and live trading"
        )
    if source is Source.POLYMARKET:
        raise SettingError("SOURCE was polymarket; `make run` takes simulated or recorded, see docs/going-live.md")
    if source is Source.RECORDED and not recording:
        raise SettingError("SOURCE=recorded needs RECORDED=<parquet file or folder>")
    if recording and not Path(recording).exists():
        raise SettingError(f"RECORDED was {recording}, which does not exist; give a parquet file or a folder of them")
    if duration_s is not None and duration_s <= 0:
        raise SettingError(f"DURATION was {duration_s:g}; give the seconds to run after the first decision, above 0")
    with only_one(settings.var):
        stack = Stack(settings.var, params, Ports.reserve(), screen)
        left = stack.children.clear_up_last_run()
        if left:
            screen.say(f"  cleared up what an interrupted run left: {', '.join(left)}", "yellow")
        _greet(screen, stack, source, recording)
        return _run(stack, screen, settings.var, source, recording, fresh=fresh, duration_s=duration_s)


def _run(
    stack: Stack,
    screen: Screen,
    var: Path,
    source: Source,
    recording: str | None,
    *,
    fresh: bool,
    duration_s: float | None,
) -> int:
    steps: dict[str, float] = {}
    report: dict[str, Any] = {"steps": steps, "urls": stack.ports.urls()}
    signal.signal(signal.SIGTERM, interrupt)
    try:
        _train(stack, screen, source, recording, fresh=fresh, steps=steps)
        report |= {key: read_json(var / "nightly.json")[key] for key in ("gate",)}
        steps |= read_json(var / "nightly.json")["steps"]
        _serve(stack, screen, source, steps)
        _summary(screen, report)
        _collect(stack, report)
        write_json(var / "run.json", report)
        _stay(stack, screen, report, var, duration_s)
    except KeyboardInterrupt:
        screen.event("stopping in order; a second Ctrl-C kills")
    finally:
        if "gate" in report:
            _collect(stack, report)
        _stop(stack, screen)
        if "gate" in report:
            write_json(var / "run.json", report)
            screen.event(f"wrote {var / 'run.json'}: {_orders_line(report)}")
    return 0


def _train(
    stack: Stack, screen: Screen, source: Source, recording: str | None, *, fresh: bool, steps: dict[str, float]
) -> None:
    with screen.timed("start", steps):
        prefect, mlflow = stack.start_prefect(), stack.start_mlflow()
        if source is Source.SIMULATED:
            simulator = stack.start_simulator()
            stack.await_ready(simulator, f"{stack.ports.urls()['simulator']}ok", 120)
        stack.await_ready(mlflow, f"{stack.ports.urls()['mlflow']}health", 180)
        stack.await_ready(prefect, f"{stack.ports.urls()['prefect']}api/health", 180)
    screen.event("the nightly flow begins (watch it in the Prefect UI)")
    nightly = stack.start_nightly(source, recording, fresh=fresh)
    while nightly.running:
        _check(stack, allowed={"nightly"})
        time.sleep(0.2)
    if nightly.process.returncode:
        raise OddsmithError(nightly.last_line().removeprefix("oddsmith: "))
    stack.children.stop("nightly")


def _serve(stack: Stack, screen: Screen, source: Source, steps: dict[str, float]) -> None:
    with screen.timed("serve", steps):
        if source is Source.RECORDED:
            simulator = stack.start_simulator(replay=REPLAY)
            stack.await_ready(simulator, f"{stack.ports.urls()['simulator']}ok", 120)
        service = stack.start_service()
        stack.await_ready(service, f"{stack.ports.urls()['dashboard']}livez", 120)


def _stay(stack: Stack, screen: Screen, report: dict[str, Any], var: Path, duration_s: float | None) -> None:
    deadline: float | None = None
    while deadline is None or time.monotonic() < deadline:
        _check(stack)
        _collect(stack, report)
        write_json(var / "run.json", report)
        if deadline is None and duration_s is not None and report.get("decisions", 0) > 0:
            screen.event(f"first decision; stopping in {duration_s:.0f} s")
            deadline = time.monotonic() + duration_s
        time.sleep(1.0)
    screen.event("the time is up; stopping in order")


def _check(stack: Stack, allowed: frozenset[str] | set[str] = frozenset()) -> None:
    for child in stack.children.ended():
        if child.name not in allowed:
            raise ChildFailed(f"{child.name} ended by itself: {child.last_line()} (see {child.log})")


def _collect(stack: Stack, report: dict[str, Any]) -> None:
    state = _state(stack.ports.urls()["dashboard"])
    if state is None:
        return
    for key in ("policy", "orders", "ledger_equals_venue", "decisions", "mode"):
        if key in state:
            report[key] = state[key]


def _state(dashboard: str) -> dict[str, Any] | None:
    try:
        with urllib.request.urlopen(f"{dashboard}api/state", timeout=5.0) as response:  # noqa: S310 - loopback
            return dict(json.load(response))
    except (urllib.error.URLError, OSError, ValueError):
        return None


def _stop(stack: Stack, screen: Screen) -> None:
    def kill(_number: int, _frame: FrameType | None) -> None:
        stack.children.kill_all()
        screen.event("killed")
        raise SystemExit(130)

    signal.signal(signal.SIGINT, kill)
    signal.signal(signal.SIGTERM, kill)
    stack.stop()


def interrupt(_number: int, _frame: FrameType | None) -> None:
    """SIGTERM ends a run as Ctrl-C does."""
    raise KeyboardInterrupt


@contextmanager
def only_one(var: Path) -> Iterator[None]:
    """Hold the folder's lock: one system per folder.

    Raises:
        AlreadyRunning: if another one holds it.
    """
    var.mkdir(parents=True, exist_ok=True)
    with (var / "run.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AlreadyRunning(
                f"another `make run` of this folder is up (it holds {lock.name}); stop that one with Ctrl-C first"
            ) from None
        yield


def _greet(screen: Screen, stack: Stack, source: Source, recording: str | None) -> None:
    world = parameters.load().simulator
    screen.say("oddsmith · mode SIMULATED · no account, no key, no real money", "bold")
    if source is Source.RECORDED:
        screen.say(f"  real prices from {recording}; the newest event is kept aside and then traded as a replay")
    else:
        screen.say(
            f"  synthetic markets with edge {world.edge:g} (0.5 behaves like real recordings, 0 has nothing to earn; "
            f"1.0 is a demonstration), seed {world.seed}, {world.speed:g} market minutes per minute"
        )
    screen.say(f"  dashboard from the last step on: {stack.ports.urls()['dashboard']}")


def _summary(screen: Screen, report: dict[str, Any]) -> None:
    gate = report["gate"]
    screen.say("")
    screen.say(f"  gate: {gate['verdict'].upper()}", "bold green" if gate["verdict"] == "promote" else "bold yellow")
    for reason in gate["reasons"]:
        screen.say(f"    · {reason}")
    screen.say("  seconds: " + ", ".join(f"{name} {seconds:g}" for name, seconds in report["steps"].items()))
    for name, url in report["urls"].items():
        screen.say(f"  {name:<10} {url}")
    screen.say("  Ctrl-C stops everything in order.")
    screen.say("")


def _orders_line(report: dict[str, Any]) -> str:
    orders = report.get("orders", {})
    refused = sum(orders.get("refused", {}).values())
    return (
        f"orders placed {orders.get('placed', 0)}, matched {orders.get('matched', 0)}, refused by our limits "
        f"{refused}; "
        f"ledger equals venue: {report.get('ledger_equals_venue')}"
    )
