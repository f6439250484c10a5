"""`oddsmith run`: from nothing to a bot that trades a model it trained, and back to nothing in order."""

import signal
import time
from pathlib import Path
from types import FrameType
from typing import Any

from flows.local.children import ChildFailed
from flows.local.folder_lock import FLOWS, SYSTEM, end, held
from flows.local.screen import Screen
from flows.local.stack import Ports, Stack
from flows.local.status import read_state
from pipelines.core import params as parameters
from pipelines.core.artifacts import read_json, write_json
from pipelines.core.errors import OddsmithError, ParameterError, SettingError
from pipelines.core.products import REPLAY
from pipelines.core.settings import Mode, Settings, Source

FLOWS_STOP_S = 20.0


def up(source: Source, recording: str | None, *, fresh: bool, duration_s: float | None) -> int:
    """Run the whole system until Ctrl-C, or `duration_s` after the first decision; the exit status.

    Raises:
        OddsmithError: if a part cannot start; what did start is stopped first.
    """
    settings, params, screen = Settings(), parameters.load(), Screen()
    check(settings, source, recording, duration_s)
    with held(settings.var / SYSTEM, "oddsmith run") as sign:
        stack = Stack(settings.var, params, Ports.reserve(), screen)
        sign(stack.ports.urls())
        left = stack.children.clear_up_last_run()
        if left:
            screen.say(f"  cleared up what an interrupted run left: {', '.join(left)}", "yellow")
        _greet(screen, stack, source, recording)
        return _run(stack, screen, settings.var, source, recording, fresh=fresh, duration_s=duration_s)


def check(settings: Settings, source: Source, recording: str | None, duration_s: float | None) -> None:
    """Refuse what cannot run, before anything is started.

    Raises:
        OddsmithError: naming the argument, its value and what is allowed.
    """
    if settings.mode is not Mode.SIMULATED:
        raise SettingError(
            f"ODDSMITH_MODE was {settings.mode.value}, but `oddsmith run` is the simulated system; "
            "docs/going-live.md shows how to start paper and live trading"
        )
    if source is Source.POLYMARKET:
        raise ParameterError("the source was polymarket; give simulated or recorded, or see docs/going-live.md")
    check_recording(source, recording)
    if duration_s is not None and duration_s <= 0:
        raise ParameterError(f"the duration was {duration_s:g}; give seconds after the first decision, above 0")


def check_recording(source: Source | None, recording: str | None) -> None:
    """Refuse a recording that is missing, has no such format, or belongs to another source.

    Raises:
        OddsmithError: naming it and what to give.
    """
    if source is Source.RECORDED and not recording:
        raise ParameterError(
            "the recorded source needs a recording: --recording PATH, or `make run SOURCE=recorded RECORDED=PATH`, "
            "with the path of a parquet file or of a folder of them"
        )
    if recording and source is not Source.RECORDED:
        raise ParameterError(f"the recording was {recording}, but the source is not recorded; add --source recorded")
    if recording:
        from pipelines.pull.recording import check as readable  # noqa: PLC0415 - loads DuckDB, which few runs need

        readable(Path(recording))


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
        if source is Source.SIMULATED:
            goes_on = stack.keep_account(fresh=fresh)
            screen.event("the account of the last run goes on" if goes_on else "a new simulated account begins")
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
            if "earned" in report:
                screen.event(earned_line(report["earned"]))
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
        raise OddsmithError(nightly.last_line().removeprefix("nightly: "))
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
        stack.children.rotate_logs()
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
    state = read_state(stack.ports.urls()["dashboard"])
    if state is None:
        return
    for key in ("policy", "orders", "ledger_equals_venue", "decisions", "mode"):
        if key in state:
            report[key] = state[key]
    if state.get("account"):
        report["earned"] = _earned(state["account"], report.get("earned"))


def _earned(account: dict[str, Any], before: dict[str, Any] | None) -> dict[str, Any]:
    """What this run and the account have earned so far, in pUSD; `before` is what was known a moment ago."""
    start = before["equity_start_pusd"] if before else account["equity"]
    return {
        "equity_start_pusd": start,
        "equity_end_pusd": account["equity"],
        "pnl_pusd": account["equity"] - start,
        "account_pnl_pusd": account["pnl"],
        "account_fees_pusd": account["fees"],
        "account_closed_trades": account["closed_trades"],
        "account_win_rate": account["win_rate"],
    }


def _stop(stack: Stack, screen: Screen) -> None:
    def kill(_number: int, _frame: FrameType | None) -> None:
        stack.children.kill_all()
        screen.event("killed")
        raise SystemExit(130)

    signal.signal(signal.SIGINT, kill)
    signal.signal(signal.SIGTERM, kill)
    # Flows that are served for this system lose their servers with it: they end first, in order.
    end(stack.var / FLOWS, limit_s=FLOWS_STOP_S)
    stack.stop()


def interrupt(_number: int, _frame: FrameType | None) -> None:
    """SIGTERM ends a run as Ctrl-C does."""
    raise KeyboardInterrupt


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
    slowest = sorted(report["steps"].items(), key=lambda step: -step[1])
    screen.say("  seconds, the slowest first: " + ", ".join(f"{name} {seconds:,.1f}" for name, seconds in slowest))
    for name, url in report["urls"].items():
        screen.say(f"  {name:<10} {url}")
    screen.say("  Prefect asks for the login in var/prefect.auth (ODDSMITH_VAR).")
    screen.say("  Ctrl-C stops everything in order.")
    screen.say("")


def earned_line(earned: dict[str, Any]) -> str:
    """What a run earned, for people."""
    rate = earned["account_win_rate"]
    won = f", {rate:.0%} of them won" if rate is not None else ""
    return (
        f"this run earned {earned['pnl_pusd']:+,.2f} pUSD ({earned['equity_start_pusd']:,.2f} -> "
        f"{earned['equity_end_pusd']:,.2f}); the account {earned['account_pnl_pusd']:+,.2f} after "
        f"{earned['account_fees_pusd']:,.2f} of fees, {earned['account_closed_trades']} closed trades{won}"
    )


def _orders_line(report: dict[str, Any]) -> str:
    orders = report.get("orders", {})
    refused = sum(orders.get("refused", {}).values())
    return (
        f"orders placed {orders.get('placed', 0)}, matched {orders.get('matched', 0)}, refused by our limits "
        f"{refused}; "
        f"ledger equals venue: {report.get('ledger_equals_venue')}"
    )
