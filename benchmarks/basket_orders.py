"""The basket executor at the local exchange: real orders through the bot's client and account, second by second.

The exchange runs in a process of its own and steps when it is told. Seconds on which no basket is offered and nothing
is left to unwind are passed over, since nothing is decided on them. With `delayed` an order is decided on the books of
one second and meets those of the next, after the venue's hold of 150 ms; else it meets the books that it was decided
on.
"""

import asyncio
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx2
import numpy as np

from benchmarks.basket_world import FIRST_S, HOUR_S, Ladder, episode_seconds, ladders
from benchmarks.exchange_process import exchange
from pipelines.core.domain import Bar, Forecast, Market, Outcome, Quote
from pipelines.core.money import MICRO
from pipelines.core.orders import OrderIntent
from pipelines.core.params import load
from pipelines.core.settings import Settings
from pipelines.decide import Account, Inputs, decide, in_turn, reserve
from pipelines.replay import rules
from pipelines.trading import legs
from pipelines.trading.sizing import NO_SIGNALS
from pipelines.venue import clob
from pipelines.venue.clob_gateway import ClobGateway
from pipelines.venue.http import VenueHttp
from serving.account.journal import Journal
from serving.account.trading_account import TradingAccount

FLAT = Forecast(np.zeros(24), np.zeros(24), np.zeros(24), 0.5)
AFTER_S = 12
"""Seconds that are looked at after the last offer: what is left over is sold in them."""
SETTLED_S = 20.0
"""Wall seconds in which the exchange has to settle what it matched."""


@dataclass(slots=True)
class Legs:
    """How many legs were sent, filled and sold again, and the P&L in pUSD with what was held to the end at its
    payout."""

    sent: int = 0
    filled: int = 0
    unwound: int = 0
    pnl_pusd: float = 0.0

    def add(self, other: "Legs") -> None:
        """Count another hour's with these."""
        self.sent, self.filled = self.sent + other.sent, self.filled + other.filled
        self.unwound, self.pnl_pusd = self.unwound + other.unwound, self.pnl_pusd + other.pnl_pusd


def traded(hours: int, seed: int, misquotes_h: float, *, delayed: bool) -> Legs:
    """The executor over consecutive ladders, with an account of its own for each."""
    options = f"--seed {seed} --series btc-ladder --series-misquotes-h {misquotes_h:g} --history-days 1 --speed 0"
    hold = "" if delayed else " --taker-delay-ms 0"
    found = Legs()
    with exchange([*f"{options} --admin --settle-s 0.05{hold}".split()]) as environment:
        values = {name.removeprefix("ODDSMITH_").lower(): value for name, value in environment.items()}
        settings = Settings(_env_file=None, **values)
        with tempfile.TemporaryDirectory() as folder, httpx2.Client(base_url=settings.clob_url, timeout=120) as admin:
            for number, ladder in enumerate(ladders(hours, seed, misquotes_h)):
                hour = _Hour(settings, admin, ladder, Path(folder) / f"{number}.db", delayed)
                found.add(hour.trade(FIRST_S - HOUR_S if number == 0 else ladder.begin_s))
    return found


class _Hour:
    """One ladder at the exchange."""

    def __init__(self, settings: Settings, admin: httpx2.Client, ladder: Ladder, journal: Path, delayed: bool) -> None:
        self._settings, self._admin, self._ladder, self._delayed = settings, admin, ladder, delayed
        gateway = ClobGateway.connect(settings, ladder.markets)
        self._account = TradingAccount(gateway, Journal(f"sqlite:///{journal}", "simulated"))
        for market in ladder.markets:
            self._account.accounting.know(market)
        self._rules = rules.make("baskets", load(), NO_SIGNALS, None, 1)
        self._found = Legs()

    def trade(self, now_s: int) -> Legs:
        """Step the exchange from `now_s`, its market time, through the hour, and trade."""
        begins_micro = self._account.accounting.cash_micro
        last_s = self._ladder.begin_s + HOUR_S - 2
        for first_s, until_s in episode_seconds(self._offers(), 1, AFTER_S, last_s):
            now_s = self._step_to(now_s, first_s)
            while now_s < until_s:
                now_s = self._second(now_s)
        self._step_to(now_s, last_s + 2)
        accounting, pays = self._account.accounting, self._ladder.payouts_micro
        held = sum(
            one.shares_micro * (pays[name] if one.outcome is Outcome.YES else MICRO - pays[name]) // MICRO
            for name, one in accounting.positions.items()
        )
        self._found.pnl_pusd = (accounting.cash_micro - begins_micro + held) / MICRO
        return self._found

    def _offers(self) -> list[int]:
        """Seconds at which the policy would see a basket: only these, and those after them, are looked at."""
        least = float(self._rules.policy.parameters.least_profit_units)  # type: ignore[attr-defined]
        return [ts_s for ts_s, books in sorted(self._ladder.books().items()) if legs.offered(books, least)]

    def _step_to(self, now_s: int, then_s: int) -> int:
        while now_s < then_s:
            steps = min(then_s - now_s, 1_000)
            said = self._admin.post("/admin/step", json={"steps": steps}).raise_for_status().json()
            now_s = int(said["market_time_s"])
        return now_s

    def _second(self, now_s: int) -> int:
        """Decide on the books of this second, send, and go on to the next."""
        intents = self._decided(asyncio.run(_books(self._settings, self._ladder.markets)), now_s)
        if self._delayed:
            now_s = self._step_to(now_s, now_s + 1)
        before = self._held()
        for intent in intents:
            self._account.execution.submit(intent)
        if intents:
            self._settle()
        moved = {name for name, _ in (before ^ self._held())}
        for intent in intents:
            filled = intent.market_id in moved
            self._found.sent += intent.reason == "leg"
            self._found.filled += filled and intent.reason == "leg"
            self._found.unwound += filled and intent.reason == "unwind"
        return now_s if self._delayed else self._step_to(now_s, now_s + 1)

    def _decided(self, books: Sequence[tuple[Market, Quote]], now_s: int) -> list[OrderIntent]:
        accounting = self._account.accounting
        for market, quote in books:
            accounting.mids[market.market_id] = quote.mid_units
        opened: dict[str, int] = {}
        view = Account(
            cash_micro=accounting.cash_micro,
            equity_micro=accounting.equity_micro,
            positions=accounting.positions,
            open_buy_micro=opened,
            markets={market.market_id: market for market, _ in books},
            day_start_equity_micro=accounting.cash_micro,
            peak_equity_micro=accounting.equity_micro,
        )
        seen = [
            Inputs(
                market,
                Bar(market.market_id, now_s, quote.mid_units, 0, 0, quote.spread_units),
                quote,
                np.zeros(15),
                FLAT,
                0.0,
            )
            for market, quote in books
        ]
        intents: list[OrderIntent] = []
        for one in in_turn(seen, self._rules):
            for intent in decide(one, view, self._rules).intents:
                reserve(intent, one.market, opened)
                intents.append(intent)
        return intents

    def _held(self) -> set[tuple[str, int]]:
        return {(name, one.shares_micro) for name, one in self._account.accounting.positions.items()}

    def _settle(self) -> None:
        """Wait until the exchange has settled what was matched and the books agree with it."""
        deadline = time.monotonic() + SETTLED_S
        while True:
            self._account.execution.sync()
            if not self._account.execution.pending and not self._account.differences():
                return
            if time.monotonic() > deadline:
                raise TimeoutError(f"the exchange settled nothing for {SETTLED_S:g} s: {self._account.differences()}")
            time.sleep(0.03)


async def _books(settings: Settings, markets: Sequence[Market]) -> list[tuple[Market, Quote]]:
    """Best bid and ask of each market at the exchange; markets without a book are left out."""
    async with VenueHttp(settings.clob_url) as http:
        found = await clob.books(http, [one.token_yes for one in markets])
    return [(one, clob.top(found[one.token_yes])) for one in markets if one.token_yes in found]
