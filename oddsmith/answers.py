"""Commands whose answer is read from what is there: champions, the last backtest, the followed markets."""

import asyncio
import importlib
import json
import sys
from pathlib import Path
from typing import Any

from pipelines.commands import run_stage
from pipelines.core import params as parameters
from pipelines.core.artifacts import read_json
from pipelines.core.settings import Settings

BACKTEST = Path("reports/backtest.json")


def champions(*, as_json: bool) -> None:
    """Print the champion, every change of champion, and what was withdrawn."""
    from flows import champions as known  # noqa: PLC0415 - loads boto3

    found = {"champion": known.champion(), "history": known.history(), "withdrawn": known.withdrawn()}
    _write(found if as_json else None, _champion_lines(found))


def backtest(*, as_json: bool) -> None:
    """Run the stage `backtest` and print its result: P&L, trades and drawdown of every strategy, and the choice."""
    run_stage("backtest")
    found = read_json(BACKTEST)
    _write(found if as_json else None, _backtest_lines(found))


def _write(document: Any, lines: list[str]) -> None:
    sys.stdout.write((json.dumps(document, indent=2) if document is not None else "\n".join(lines)) + "\n")


def _champion_lines(found: dict[str, Any]) -> list[str]:
    champion = found["champion"]
    lines = [f"champion  {champion['hash'][:12]}, {champion['bento_tag']}" if champion else "champion  none"]
    for line in found["history"]:
        said = f": {line['reason']}" if line.get("reason") else ""
        lines.append(f"{line['at']}  {line['event'].replace('_', ' '):<11} {line['hash'][:12]}{said}")
    lines += [f"withdrawn {name[:12]}: {reason or 'no reason given'}" for name, reason in found["withdrawn"].items()]
    return lines


def _backtest_lines(found: dict[str, Any]) -> list[str]:
    ends = sorted(found["equity_end_pusd"].items(), key=lambda pair: -pair[1])
    width = max(len(name) for name in found["equity_end_pusd"])
    lines = [f"{name:<{width}}  {equity:>12,.2f} pUSD" for name, equity in ends]
    return [*lines, f"chosen: {found['chosen']}; report: {BACKTEST.with_suffix('.html')}"]


def markets(*, as_json: bool) -> None:
    """Print which markets are followed and why the others are not: as the running bot says, else as a start would.

    Raises:
        VenueError: if no bot runs here and the venue does not answer.
    """
    from flows.local.status import running_state  # noqa: PLC0415 - reads what runs here

    state = running_state()
    by = "the bot that runs" if state is not None else "a bot that starts now"
    found = state if state is not None else _preview()
    followed = [{name: row.get(name) for name in ("market_id", "question")} for row in found.get("markets", [])]
    left = found.get("not_followed", [])
    if as_json:
        document = {"by": by, "running": state is not None, "followed": followed, "not_followed": left}
        sys.stdout.write(json.dumps(document, indent=2) + "\n")
        return
    sys.stdout.write(f"{len(followed)} markets are followed by {by}, {len(left)} are listed and not followed\n")
    sys.stdout.writelines(f"  followed      {row['market_id'][:12]}  {row['question']}\n" for row in followed)
    sys.stdout.writelines(f"  {row['why']:<40}  {row['market_id'][:12]}  {row['question']}\n" for row in left)


def _preview() -> dict[str, Any]:
    preview = importlib.import_module("serving.market.preview").preview
    settings = Settings().for_trading()
    return dict(asyncio.run(preview(settings, parameters.load())))
