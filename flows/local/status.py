"""`oddsmith status` and `oddsmith stop`: what runs in this folder, and how a run is ended in order."""

import json
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from flows.local.folder_lock import FLOWS, SYSTEM, Holder, end, holder, is_held
from flows.local.ports import DEFAULTS, HOST
from pipelines.core.artifacts import read_json
from pipelines.core.errors import ArtifactError, OddsmithError
from pipelines.core.settings import Settings

VERDICT = Path("reports/gate.json")
JOURNAL_LOCK = "journal.sqlite.lock"
STOP_S = 120.0
"""More than all parts may take by themselves: a part that does not stop is killed by the system at its own limit."""


class NotStopped(OddsmithError):
    """A run did not end within the limit."""


def document() -> dict[str, Any]:
    """What runs here, as JSON: `system` and `flows` (processes), `bot` (what the service says), `verdict`, `champion`.

    A part that is not there is None; `silent_bot` is the URL at which a bot of this folder should answer and does not.
    `bot` holds mode, equity and P&L in pUSD, whether its orders are sent (`armed`)
    and why not, the alarms of now, and the counts of orders.
    """
    settings = Settings()
    system = holder(settings.var / SYSTEM)
    url = _service_url(system, settings)
    trades = system is not None or _bot_alone(settings)
    state = read_state(url) if trades else None
    return {
        "folder": str(Path.cwd()),
        "system": _process(system),
        "flows": _process(holder(settings.var / FLOWS)),
        "kill_switch": settings.kill_switch.exists(),
        "bot": _bot(state, url) if state else None,
        "silent_bot": url if trades and state is None else None,
        "verdict": _verdict(),
        "champion": _document(settings.var / "champion.json"),
    }


def running_state() -> dict[str, Any] | None:
    """What the bot of this folder says about itself; None where none trades, or it does not answer."""
    settings = Settings()
    system = holder(settings.var / SYSTEM)
    return read_state(_service_url(system, settings)) if system is not None or _bot_alone(settings) else None


def read_state(dashboard: str) -> dict[str, Any] | None:
    """What the bot behind a dashboard's URL says about itself; None where none answers."""
    try:
        with urllib.request.urlopen(f"{dashboard}api/state", timeout=5.0) as response:  # noqa: S310 - loopback
            return dict(json.load(response))
    except (urllib.error.URLError, OSError, ValueError):
        return None


def show(*, as_json: bool) -> None:
    """Print what runs here."""
    found = document()
    sys.stdout.write((json.dumps(found, indent=2) if as_json else "\n".join(_lines(found))) + "\n")


def stop(limit_s: float = STOP_S) -> None:
    """End what `oddsmith run` or `oddsmith flows serve` started in this folder, in order. Nothing to end is no error.

    Raises:
        NotStopped: if it still runs after `limit_s`.
    """
    var = Settings().var
    running = {name: found for name in (FLOWS, SYSTEM) if (found := holder(var / name))}
    if not running and not is_held(var / SYSTEM):
        alone = _bot_alone(Settings())
        note = "; a bot that was started by itself trades here: end it where it was started" if alone else ""
        sys.stdout.write(f"nothing of `oddsmith run` runs in {Path.cwd()}{note}\n")
        return
    for name, found in running.items():
        began = time.monotonic()
        if not end(var / name, limit_s=limit_s):
            raise NotStopped(
                f"`{found.command}`, process {found.pid}, has not ended after {limit_s:.0f} s; `oddsmith stop` once "
                "more kills its parts"
            )
        sys.stdout.write(f"`{found.command}`, process {found.pid}, ended in {time.monotonic() - began:.1f} s\n")


def _bot_alone(settings: Settings) -> bool:
    """Whether a bot holds the journal: in this folder's SQLite file, or possibly in a database elsewhere."""
    return bool(settings.journal_url) or is_held(settings.var / JOURNAL_LOCK)


def _service_url(system: Holder | None, settings: Settings) -> str:
    if system is not None and system.urls:
        return system.urls["dashboard"]
    return f"http://{HOST}:{settings.service_port or DEFAULTS['service']}/"


def _process(found: Holder | None) -> dict[str, Any] | None:
    if found is None:
        return None
    return {
        "command": found.command,
        "pid": found.pid,
        "started_s": round(found.started_s),
        "urls": dict(found.urls),
    }


def _bot(state: dict[str, Any], url: str) -> dict[str, Any]:
    account = state.get("account") or {}
    return {
        "url": url,
        "mode": state.get("mode"),
        "armed": state.get("armed"),
        "why_not_armed": None if state.get("armed") else state.get("cash_reason"),
        "policy": state.get("policy"),
        "bundle": (state.get("model") or {}).get("bundle"),
        "equity_pusd": account.get("equity"),
        "pnl_pusd": account.get("pnl"),
        "daily_pnl_pusd": account.get("daily_pnl"),
        "positions": len(state.get("positions", [])),
        "orders": state.get("orders"),
        "ledger_equals_venue": state.get("ledger_equals_venue"),
        "kill": state.get("kill"),
        "alarms": state.get("alarms", []),
    }


def _verdict() -> dict[str, Any] | None:
    gate = _document(VERDICT)
    return {key: gate.get(key) for key in ("verdict", "reasons", "bundle")} if gate else None


def _document(path: Path) -> dict[str, Any] | None:
    try:
        return dict(read_json(path))
    except ArtifactError:
        return None


def _lines(found: dict[str, Any]) -> list[str]:
    lines = []
    for name in ("system", "flows"):
        part = found[name]
        if part:
            began = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(part["started_s"]))
            lines.append(f"{name:<9} `{part['command']}`, process {part['pid']}, since {began}")
    if not found["system"]:
        lines.append(f"system    nothing runs in {found['folder']}; `oddsmith run` starts it")
    if found["silent_bot"]:
        lines.append(f"bot       none answers at {found['silent_bot']} yet; ODDSMITH_SERVICE_PORT sets another port")
    lines += _bot_lines(found["bot"])
    if found["kill_switch"]:
        lines.append("kill      the kill switch is on: the bot closes what it holds and opens nothing")
    verdict, champion = found["verdict"], found["champion"]
    if verdict:
        lines.append(f"verdict   {verdict['verdict']}: {'; '.join(verdict['reasons'] or ['no reason given'])}")
    lines.append(
        f"champion  {champion['hash'][:12]}, promoted {champion['promoted_at']}" if champion else "champion  none"
    )
    for name, url in (found["system"] or {}).get("urls", {}).items():
        lines.append(f"{name:<9} {url}")
    return lines


def _bot_lines(bot: dict[str, Any] | None) -> list[str]:
    if bot is None:
        return []
    armed = "orders are sent" if bot["armed"] else f"orders are not sent: {bot['why_not_armed']}"
    lines = [f"bot       mode {bot['mode']}, policy {bot['policy']}, {armed}"]
    if bot["equity_pusd"] is not None:
        lines.append(
            f"account   equity {bot['equity_pusd']:,.2f} pUSD, {bot['pnl_pusd']:+,.2f} since the start, "
            f"{bot['daily_pnl_pusd']:+,.2f} today, {bot['positions']} positions"
        )
    return [*lines, *(f"alarm     {text}" for text in bot["alarms"] or ["none"])]
