"""Hostile sessions: `python -m benchmarks.hostile --sessions N [--from SEED] [--speed 60] [--out FILE]`.

Each session is an hour of market time between two real processes, the local exchange with every fault of the profile
`venue` at its default rate and a fresh seed, and the bot with a deposit wallet. At a random moment the bot is killed
with -9 and started again. At the end of the hour the kill switch asks it to close, with all faults still on. A session
passes when nothing is held but what nobody could sell (dust below the market's minimum) or what is decided and being
redeemed, the books equal the venue's account to the base unit, the exchange's own audit finds nothing, the bot lives,
and no latch waits for a person. Prints one JSON line; sessions that `--out` holds already are not run again.
"""

import argparse
import asyncio
import itertools
import json
import math
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx2
from eth_account import Account

from benchmarks.exchange_process import exchange
from pipelines.core.settings import Settings
from pipelines.venue import activity, wallets
from pipelines.venue.clob_gateway import ClobGateway
from pipelines.venue.http import VenueHttp

HOUR_MIN: Final = 60
FIRST_BAR_S: Final = 300.0
CLOSE_MIN: Final = 120
"""Market minutes that the bot has to close what it holds; every fault of the profile ends within this time."""
QUIET_S: Final = 8.0
"""Wall seconds for which nothing is held before the bot is told to stop."""
EQUAL_S: Final = 20.0

WORLD: Final = (
    "--history-days 1 --event-every-min 120 --event-length-min 720 --markets-per-event 4 --neg-risk-share 0.3"
    " --protocol-v2-share 0.2 --admin --profile venue"
)
BOT: Final = Path(__file__).with_name("hostile_bot.py")


@dataclass
class Outcome:
    """The result of a session. `wrong` has a sentence per fault; it is empty if the session passed."""

    seed: int
    wrong: list[str] = field(default_factory=list)
    fills: int = 0
    decided: int = 0
    pnl_pusd: float = 0.0
    wall_s: float = 0.0
    faults: dict[str, int] = field(default_factory=dict)
    asked_to_stop_s: float = math.inf
    """The venue's time at which the bot was told to stop."""

    def row(self) -> dict[str, Any]:
        """One line of the file of results."""
        return {"seed": self.seed, "passed": not self.wrong} | {
            name: getattr(self, name) for name in ("wrong", "fills", "decided", "pnl_pusd", "wall_s", "faults")
        }


@dataclass
class _Bot:
    """The bot's process, which can be killed and started again."""

    folder: Path
    environment: dict[str, str]
    code: Path
    pull: float
    """Expected return to the 30-bar mean, in standard deviations: large, so that the bot trades often."""
    process: "subprocess.Popen[bytes] | None" = None

    def start(self) -> None:
        """Start it, its log behind the one of the last start."""
        with (self.folder / "bot.log").open("ab") as log:
            command = [sys.executable, str(BOT), str(self.folder), str(self.pull)]
            self.process = subprocess.Popen(command, env=self.environment, cwd=self.code, stdout=log, stderr=log)

    def end(self, how: signal.Signals, limit_s: float = 60.0) -> int:
        """Send a signal and wait; the exit status."""
        assert self.process is not None
        self.process.send_signal(how)
        return self.process.wait(timeout=limit_s)

    def read(self, name: str) -> dict[str, Any]:
        """A document that the bot wrote; empty before the first."""
        try:
            found: dict[str, Any] = json.loads((self.folder / name).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        return found

    @property
    def gone(self) -> bool:
        """Whether the process ended by itself."""
        return self.process is not None and self.process.poll() is not None


def _until(condition: Callable[[], object], limit_s: float) -> bool:
    deadline = time.monotonic() + limit_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.2)
    return True


def session(seed: int, speed: float, code: Path, keep: Path | None = None) -> Outcome:
    """Run one session; what it ended with. `keep` is a folder for its logs and journal."""
    outcome, began = Outcome(seed), time.monotonic()
    with tempfile.TemporaryDirectory() as made:
        folder = keep or Path(made)
        folder.mkdir(parents=True, exist_ok=True)
        key = "0x" + random.Random(seed).randbytes(32).hex()
        wallet = wallets.addresses(Account.from_key(key).address, wallets.DEPOSIT)[0]
        world = f"{WORLD} --seed {seed} --speed {speed:g}".split()
        with (folder / "exchange.log").open("w") as log, exchange(world, log) as urls:
            faults = {"name": "venue", "seed": seed}
            httpx2.post(f"{urls['ODDSMITH_CLOB_URL']}/admin/profile", json=faults).raise_for_status()
            own = {"ODDSMITH_PRIVATE_KEY": key, "ODDSMITH_SIGNATURE_TYPE": "3", "ODDSMITH_FUNDER": wallet}
            own |= {"ODDSMITH_VAR": str(folder / "var"), "ODDSMITH_KILL_SWITCH": str(folder / "KILL")}
            kept = {name: value for name, value in os.environ.items() if not name.startswith("ODDSMITH_")}
            bot = _Bot(folder, kept | urls | own | {"PYTHONPATH": str(code)}, code, 1.5 + seed % 5 / 4)
            bot.start()
            try:
                _hour(bot, outcome, speed, folder / "KILL")
                final = bot.read("final.json")
            finally:
                if not bot.gone:
                    bot.end(signal.SIGKILL)
            values = {name.removeprefix("ODDSMITH_").lower(): value for name, value in (urls | own).items()}
            _judge(outcome, final, Settings(_env_file=None, **values))
    outcome.wall_s = round(time.monotonic() - began, 1)
    return outcome


def _hour(bot: _Bot, outcome: Outcome, speed: float, kill: Path) -> None:
    """Trade for an hour of market time with one kill -9 inside, close, and stop."""
    if not _until(lambda: bot.read("now.json").get("decided") or bot.gone, FIRST_BAR_S):
        outcome.wrong.append(f"no bar was decided within {FIRST_BAR_S:g} s")
    wall_s = HOUR_MIN / speed * 60
    killed_at = wall_s * random.Random(outcome.seed).uniform(0.2, 0.8)
    time.sleep(killed_at)
    if bot.gone:
        outcome.wrong.append("the bot ended by itself")
        return
    outcome.decided = bot.read("now.json").get("decided", 0)
    bot.end(signal.SIGKILL)
    (bot.folder / "now.json").unlink(missing_ok=True)
    again_at = time.monotonic()
    bot.start()
    if not _until(lambda: bot.read("now.json").get("decided") or bot.gone, FIRST_BAR_S):
        outcome.wrong.append(f"no bar was decided within {FIRST_BAR_S:g} s of the restart")
    time.sleep(max(0.0, wall_s - killed_at - (time.monotonic() - again_at)))
    kill.touch()
    _until(lambda: bot.gone or _stays_closed(bot), CLOSE_MIN / speed * 60)
    if bot.gone:
        outcome.wrong.append("the bot ended by itself after its restart")
        return
    outcome.decided += bot.read("now.json").get("decided", 0)
    # Read before the stop, whose last comparison may or may not have seen what the venue pays from now on.
    outcome.asked_to_stop_s = httpx2.get(f"{bot.environment['ODDSMITH_CLOB_URL']}/admin/state").json()["market_time_s"]
    bot.end(signal.SIGTERM)


def _stays_closed(bot: _Bot) -> bool:
    """Whether nothing is held for some seconds: a purchase that was on its way at the switch, or a sale that failed to
    settle, brings a position back that the bot has to sell too."""
    return not _until(lambda: bot.gone or bool(bot.read("now.json").get("positions")), QUIET_S)


def _judge(outcome: Outcome, final: dict[str, Any], settings: Settings) -> None:
    """Compare the bot's books with the venue's account, and say what is wrong."""
    url = settings.clob_url
    active = httpx2.get(f"{url}/admin/faults").json()
    outcome.faults = {str(k): v for k, v in (active.get("struck") or {}).items()} if isinstance(active, dict) else {}
    httpx2.post(f"{url}/admin/profile", json={"name": "off"}).raise_for_status()
    wrong = httpx2.get(f"{url}/admin/audit").json()["wrong"]
    outcome.wrong += [f"audit of the exchange: {one}" for one in wrong]
    if not final.get("tokens") and "cash_micro" not in final:
        outcome.wrong.append("the bot left no books")
        return
    outcome.fills, outcome.pnl_pusd = final["fills"], round(final["equity_micro"] / 1e6 - 10_000, 2)
    if not final["alive"]:
        outcome.wrong.append(f"the bot has stopped: {final['alarms']}")
    if final["tripped"]:
        outcome.wrong.append("the breaker of the orders waits for a person")
    decided = set(final["redeemable"])
    for market_id, (shares, least) in final["held"].items():
        if market_id not in decided and shares // 10_000 * 10_000 >= least:
            outcome.wrong.append(f"{shares / 1e6:g} shares of {market_id} are held; alarms: {final['alarms']}")
    gateway = ClobGateway.connect(settings)
    stop_s = outcome.asked_to_stop_s
    if not _until(lambda: not _differences(gateway, final, settings, stop_s), EQUAL_S):
        outcome.wrong += _differences(gateway, final, settings, stop_s)


def _differences(gateway: ClobGateway, final: dict[str, Any], settings: Settings, stop_s: float) -> list[str]:
    """The differences between the venue's account and the books. Left out: shares that pay nothing, which stay in the
    wallet, and what the venue paid after the bot had compared for the last time, which its next start books."""
    late = [one for one in _payments(settings, gateway.account) if _is_late(one, final, stop_s)]
    cash_micro = gateway.cash_micro() - final["cash_micro"]
    explained = cash_micro in itertools.accumulate(one.cash_micro for one in late)
    query: dict[str, Any] = {"user": gateway.account, "status": "REDEEMABLE_LOST", "limit": 100, "filter_amount": 0}
    lost = {row["token_id"] for row in httpx2.get(f"{settings.data_url}/v2/positions", params=query).json()["data"]}
    paid = {token for one in late for token in final["redeemable"].get(one.market_id, [])} if explained else set()
    books = final["tokens"]
    traded = {fill.token_id for fill in gateway.trades(0)}
    found = [("pUSD", 0 if explained else cash_micro)]
    for token in sorted({*books, *traded} - lost):
        micro = gateway.shares_micro(token) - books.get(token, 0)
        redeemed = token in paid and micro == -books.get(token, 0)
        found.append((token, 0 if redeemed else micro))
    return [f"the venue has {micro / 1e6:+.6f} of {name[:20]}" for name, micro in found if micro]


def _is_late(one: activity.Payment, final: dict[str, Any], stop_s: float) -> bool:
    """Whether a payment may be unknown to the bot: made since it was told to stop, or one that its books wait for."""
    return one.ts_s >= stop_s - 1 or one.market_id in final["redeemable"]


def _payments(settings: Settings, account: str) -> list[activity.Payment]:
    """The payments of the account, newest first."""

    async def read() -> list[activity.Payment]:
        async with VenueHttp(settings.data_url) as archive:
            return await activity.payments(archive, account)

    return asyncio.run(read())


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the sessions and print one line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.hostile", description=__doc__)
    parser.add_argument("--sessions", type=int, default=10, help="how many, with one seed each (%(default)s)")
    parser.add_argument("--from", dest="first", type=int, default=1, help="the first seed (%(default)s)")
    parser.add_argument("--speed", type=float, default=60.0, help="market minutes per wall minute (%(default)s)")
    parser.add_argument("--out", type=Path, default=Path("var/hostile.jsonl"), help="a line per session (%(default)s)")
    parser.add_argument("--code", type=Path, default=Path.cwd(), help="another checkout whose bot is tried instead")
    parser.add_argument("--keep", type=Path, help="folder that keeps the logs and journals of the sessions")
    asked = parser.parse_args(arguments)
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    lines = asked.out.read_text(encoding="utf-8").splitlines() if asked.out.exists() else []
    rows = {row["seed"]: row for row in map(json.loads, lines)}
    seeds = range(asked.first, asked.first + asked.sessions)
    for seed in seeds:
        if seed in rows:
            continue
        keep = asked.keep / str(seed) if asked.keep else None
        rows[seed] = session(seed, asked.speed, asked.code.resolve(), keep).row()
        with asked.out.open("a", encoding="utf-8") as file:
            file.write(json.dumps(rows[seed]) + "\n")
    run = [rows[seed] for seed in seeds]
    figures = {"benchmark": "hostile", "sessions": len(run), "passed": sum(row["passed"] for row in run)}
    figures["failed_seeds"] = [row["seed"] for row in run if not row["passed"]]
    figures |= {"speed": asked.speed, "market_hours": len(run), "fills": sum(row["fills"] for row in run)}
    print(json.dumps(figures))
    return 0


if __name__ == "__main__":
    sys.exit(main())
