"""The bot as a process of a hostile session, without a web server: `python benchmarks/hostile_bot.py FOLDER PULL`.

Its settings come from the environment. It writes what it sees to `FOLDER/now.json` twice a second, and its books to
`FOLDER/final.json` after SIGTERM. It imports what the program of an earlier day has too, so that both can be compared.
"""

import asyncio
import importlib
import json
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from pipelines.core import params
from pipelines.core.settings import Settings
from serving.bot import Bot


def _champion(folder: Path, pull: float) -> None:
    """Make a bundle that expects prices to come back to their mean the champion, unless there is one."""
    if (folder / "var" / "champion.json").exists():
        return
    try:
        from benchmarks import tiny_bundle  # noqa: PLC0415 - an earlier program has it elsewhere
    except ImportError:
        sys.path.insert(0, str(Path("tests/serving").resolve()))  # before this file's own folder
        tiny_bundle = importlib.import_module("tiny_bundle")
    made = tiny_bundle.make(folder / "new", pull=pull)
    if hasattr(tiny_bundle, "promote"):
        tiny_bundle.promote(folder / "new", folder / "var")
        return
    inside = folder / "var" / "bento" / "bentos" / "oddsmith" / made[:12] / "src" / "bundle"
    inside.parent.mkdir(parents=True)
    (folder / "new").rename(inside)
    record = {"hash": made, "bento_tag": f"oddsmith:{made[:12]}", "mlflow_version": "1", "source": "simulated"}
    _write(folder / "var" / "champion.json", record)


def _write(path: Path, document: dict[str, Any]) -> None:
    new = path.with_suffix(".new")
    new.write_text(json.dumps(document), encoding="utf-8")
    new.replace(path)


def _now(bot: Bot) -> dict[str, Any]:
    state = bot.state(whole=False)
    return {
        "alive": bot.alive,
        "decided": bot.status.decided_bars,
        "positions": [one["market_id"] for one in state.get("positions") or []],
        "placed": (state.get("orders") or {}).get("placed", 0),
        "alarms": state.get("alarms") or [],
    }


def _tokens(market: Any) -> list[str]:
    return [market.token_yes, market.token_no]


def _books(bot: Bot) -> dict[str, Any]:
    lasting: Any = getattr(bot, "_lasting", None)
    account = lasting.account if lasting is not None else getattr(bot, "_account", None)
    if account is None:
        return {}
    books = account.accounting
    sellable = {market_id: market.min_size_micro for market_id, market in books.markets.items()}
    return {
        "cash_micro": books.cash_micro,
        "tokens": books.tokens(),
        "redeemable": {name: _tokens(books.markets[name]) for name in getattr(books, "redeemable", {})},
        "tripped": bool(getattr(books, "tripped", False)),
        "held": {
            market_id: [position.shares_micro, sellable.get(market_id, 0)]
            for market_id, position in books.positions.items()
        },
        "fills": len(account.journal.fills()),
        "equity_micro": books.equity_micro,
    }


async def _run(folder: Path, pull: float) -> None:
    _champion(folder, pull)
    bot = Bot(Settings(), params.read(Path("params.yaml")))
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    bot.start()
    while not stop.is_set():
        _write(folder / "now.json", _now(bot))
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), 0.5)
    now = _now(bot)
    await bot.stop()
    _write(folder / "final.json", now | _books(bot))


if __name__ == "__main__":
    asyncio.run(_run(Path(sys.argv[1]), float(sys.argv[2])))
