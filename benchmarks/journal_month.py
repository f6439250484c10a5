"""A month of an account's life in a folder, written by the bot's own journal: what pages and exports are tried on.

Markets and prices are the simulator's, the account is a paper account at them. Until the last hours trades are drawn at
random (`month_trader`) and bars hold no inputs, as after the journal's pruning. In the last hours a bundle decides
every bar as the live process does, and its inputs and decisions are in the journal.
"""

import argparse
import asyncio
import hashlib
import json
import logging
import random
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import structlog
from sqlalchemy import Engine, create_engine, event

from benchmarks import tiny_bundle
from benchmarks.month_trader import RandomTrader
from benchmarks.month_world import DAY_MIN, LENGTH_S, MonthFeed
from pipelines import decision_record
from pipelines.core.artifacts import read_json, write_json
from pipelines.core.command_line import whole
from pipelines.core.money import MICRO
from pipelines.core.params import Params, load
from pipelines.core.settings import Settings
from pipelines.trading.paper_gateway import PaperGateway
from serving.account import database
from serving.account.journal import CashFlow
from serving.account.trading_account import TradingAccount
from serving.bot import Bot
from serving.dashboard.funnel import BarFunnel

WRITTEN = "month.json"
"""File of a finished month: how it was made, and its next minute."""
REWARD_MICRO = 3 * MICRO
WARM_BARS = 300
"""Bars that fill windows, rolling sums and filters."""


class _Gateway(PaperGateway):
    """A paper account that is paid rewards."""

    def pay(self, micro: int) -> None:
        """Cash that comes without a trade."""
        self._cash += micro


class MonthBot(Bot):
    """The bot on the account of a generated month. It is never started: `bar` and `turn` move it by a bar."""

    def __init__(self, settings: Settings, params: Params, *, seed: int, markets: int) -> None:
        super().__init__(settings, params)
        self.feed = MonthFeed(seed, markets, params.forecast.lookback_bars)
        gateway = _Gateway(params.backtest.cash_pusd * MICRO, params.execution, self.feed.quote)
        account = TradingAccount(gateway, self._journal)
        gateway.pay(sum(flow.cash_micro for flow in self._journal.flows()))
        alive: Any = SimpleNamespace(account=account, heartbeat=SimpleNamespace(accepted_lately=True))
        self._lasting = alive
        session: Any = SimpleNamespace(feed=self.feed, headlines=lambda _market: [], quote=self.feed.quote)
        self._session = session
        self.feed.stream = SimpleNamespace(book=lambda _market: None)  # type: ignore[attr-defined]
        self.account, self._gateway, self._draw = account, gateway, random.Random(seed)
        self._trader = RandomTrader(account, seed)

    async def warm(self, minute: int) -> None:
        """Fill the windows of all markets up to a minute, and open the bundle."""
        await self._model_watch.refresh()
        for back in range(WARM_BARS, 0, -1):
            self.feed.go(minute - back, windows=True)
        self.status.open(self.account)

    def next_bar(self, minute: int, *, windows: bool) -> int:
        """Go to a minute and pay what ended; the market time. Blocking."""
        for one in self.feed.go(minute, windows=windows):
            self.account.settle(one.market.market_id, one.pays_micro, self.feed.market_s)
        return self.feed.market_s

    async def turn(self, minute: int) -> None:
        """A bar that the bundle decides, as the live process does."""
        await asyncio.to_thread(self.next_bar, minute, windows=True)
        self._gateway.know(one.market for one in self.feed.followed.values())
        self._gateway.bars_closed(self.feed.bars())
        for one in self.feed.followed.values():
            self.account.accounting.know(one.market)
        self.feed.closed = (self.feed.market_s, time.perf_counter())
        finish = await self._turns.take(self.account, self.feed)  # type: ignore[arg-type]
        if finish is not None:
            await finish()

    def bar(self, minute: int) -> None:
        """A bar of long ago: random trades, marked and journaled, its inputs forgotten already. Blocking."""
        ts_s, accounting = self.next_bar(minute, windows=False), self.account.accounting
        self._trader.trade(self.feed, ts_s)
        held = {key: self.feed.followed[key] for key in accounting.positions if key in self.feed.followed}
        quotes, mids = ({key: getattr(one, name) for key, one in held.items()} for name in ("quote", "mid_units"))
        references = accounting.references(quotes, mids, ts_s)
        peaks, facts = accounting.mark({key: fair for key, (fair, _) in references.items()}, ts_s)
        day = ts_s // 86_400
        bundle = hashlib.sha256(str(day).encode()).hexdigest()
        row: dict[str, Any] = {"ts_s": ts_s, "bundle": bundle, "took_ms": 20.0}
        row |= {"cash_micro": accounting.cash_micro, "equity_micro": accounting.equity_micro}
        refused = {"exposure": 3} if self._draw.random() < 0.1 else {}
        self._journal.bar(row | {"ledger_equals_venue": True, "inputs": b""}, (), peaks, facts, refused)
        if minute % DAY_MIN == 0:
            self._new_day(day, ts_s, bundle)

    def _new_day(self, day: int, ts_s: int, bundle: str) -> None:
        """Book a reward, write the limits of the bundle, and count the funnel of one day."""
        self._gateway.pay(REWARD_MICRO)
        self.account.accounting.book_flow(CashFlow(f"reward/{day}", "REWARD", REWARD_MICRO, ts_s))
        model = self._model_watch.model
        if model is not None:
            self._journal.note_rules(bundle, decision_record.rules_document(model.rules))
        counts, followed = BarFunnel(), len(self.feed.followed)
        counts.listing(followed + 40, followed, {"denied": 12, "too close to its end": 28})
        self._journal.conclude({}, day, {key: DAY_MIN * number for key, number in counts.counts.items()})


def opened(folder: Path, *, seed: int, markets: int) -> MonthBot:
    """A bot with the journal of a folder; the folder gets a promoted bundle if it has none."""
    settings = Settings(_env_file=None, var=folder, kill_switch=folder / "KILL", journal_url="", mode="simulated")
    if not (folder / "champion.json").is_file():
        sealed = folder / "sealed"
        tiny_bundle.make(sealed)
        tiny_bundle.promote(sealed, folder)
    return MonthBot(settings, load(), seed=seed, markets=markets)


async def write(folder: Path, *, days: int, markets: int, decided: int, seed: int = 1) -> dict[str, Any]:
    """Write a month into a folder, or read that it is there; what it holds and the seconds that it took."""
    about = {"days": days, "markets": markets, "decided": decided, "seed": seed}
    done = folder / WRITTEN
    if done.is_file() and about.items() <= read_json(done).items():
        return dict(read_json(done))
    if done.is_file() or (folder / "journal.sqlite").is_file():
        raise SystemExit(f"{folder} holds another journal or a part of one; delete it, or name another folder")
    folder.mkdir(parents=True, exist_ok=True)  # noqa: ASYNC240 - nothing else runs here
    began = time.perf_counter()
    with _without_waiting_for_the_disk():
        bot = opened(folder, seed=seed, markets=markets)
        await bot._model_watch.refresh()
        first, last = DAY_MIN, DAY_MIN + days * DAY_MIN
        for minute in range(first, last - decided):
            bot.bar(minute)
        await bot.warm(last - decided)
        for minute in range(last - decided, last):
            await bot.turn(minute)
        trades = len(bot.account.accounting.closed)
        await bot.stop()
    made: dict[str, Any] = about | {
        "next_minute": last,
        "bars": last - first,
        "closed_parts": trades,
        "length_s": LENGTH_S,
    }
    made |= {"bytes": (folder / "journal.sqlite").stat().st_size, "seconds": round(time.perf_counter() - began, 1)}
    write_json(done, made)
    return made


class _without_waiting_for_the_disk:  # noqa: N801 - reads as a statement
    """Journals that are opened inside wait for no disk: a generated one can be generated again."""

    def __enter__(self) -> None:
        self._before = database.make_engine
        database.make_engine = _engine

    def __exit__(self, *_: object) -> None:
        database.make_engine = self._before


def _engine(*given: Any, **options: Any) -> Engine:
    made = create_engine(*given, **options)

    @event.listens_for(made, "checkout")
    def hurry(connection: Any, _record: object, _proxy: object) -> None:
        connection.execute("PRAGMA synchronous=OFF")

    return made


def main() -> None:
    """`python -m benchmarks.journal_month FOLDER`: one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="folder of the journal; made, and never overwritten")
    parser.add_argument("--days", type=whole(1), default=30)
    parser.add_argument("--markets", type=whole(5), default=80, help="at every moment, five per event (80)")
    parser.add_argument("--decided", type=whole(60), default=300, help="last bars with inputs and decisions (300)")
    parser.add_argument("--seed", type=whole(0), default=1)
    given = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    made = asyncio.run(
        write(given.folder, days=given.days, markets=given.markets, decided=given.decided, seed=given.seed)
    )
    print(json.dumps(made))


if __name__ == "__main__":
    main()
