"""One schedule in a virtual world: the venue with its faults, one or two lives of the bot, checks at every minute."""

import asyncio
import hashlib
import os
import random
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from drills.clock import REAL, Clock, installed
from drills.invariants import ALIVE_WITHIN, Invariants, Violation
from drills.life import LIFE, Life, engine_of
from drills.loop import VirtualLoop
from drills.markets import BAR_MIN, START_S, STEP_S, ScriptedMarkets
from drills.model import LOOKBACK
from drills.network import BlockingClient, Wires, url
from pipelines.core import params as parameters
from pipelines.core.domain import Outcome
from pipelines.core.money import MICRO
from pipelines.core.params import Params
from pipelines.core.settings import Settings
from pipelines.trading.kernel import sellable_micro
from pipelines.venue import client_v2
from serving.account import database
from serving.market import feed
from simulator import loops
from simulator.api.apps import Site, applications
from simulator.engine.accounts import Account
from simulator.engine.markets import LiveMarket, MarketState
from simulator.engine.orders import Order, Trade, TradeStatus
from simulator.faults.schedule import TimedFault
from simulator.run import start_loops
from simulator.venue.options import Options
from simulator.venue.venue import Venue

SPEED: Final = 600.0
"""Market minutes per wall minute: a bar lasts three seconds of the bot's wall clock."""

WARM: Final = 2
"""Bars before the first fault."""

FLAT: Final = 40
"""Bars after the kill switch within which everything is sold and booked: two minutes of the wall."""

DEAD_S: Final = 4.0
"""Wall seconds between the death of a bot and its next start."""

POLLED_S: Final = 0.2
"""Wall seconds between two looks of the bot and of the venue at their clocks, instead of 0.02 and 0.05: a look at
nothing costs as much as one that finds something."""

KEY: Final = "0x" + "1d" * 32

SHIPPED: Final = Path(__file__).resolve().parents[1] / "params.yaml"


@dataclass(frozen=True, slots=True)
class Plan:
    """What happens in a world. `events` are faults in market minutes after the warm-up; `dies_at` is the edge at which
    the bot is killed, None to let it live. At least `bars` bars are played before the bot is told to close."""

    seed: int
    events: tuple[TimedFault, ...] = ()
    bars: int = 8
    dies_at: int | None = None

    def document(self) -> dict[str, Any]:
        """As JSON."""
        events = [{"at_min": at, **event} for at, event in self.events]
        return {"seed": self.seed, "bars": self.bars, "dies_at": self.dies_at, "events": events}

    @staticmethod
    def of(document: Mapping[str, Any]) -> "Plan":
        """The plan that `document` wrote."""
        events = [
            (float(row["at_min"]), {key: value for key, value in row.items() if key != "at_min"})
            for row in document["events"]
        ]
        return Plan(document["seed"], tuple(events), document["bars"], document["dies_at"])


@dataclass(slots=True)
class Report:
    """What became of a plan."""

    plan: Plan
    violations: list[Violation] = field(default_factory=list)
    bars: int = 0
    """Bars that were played."""
    recovered_after: int = 0
    """Bars after the last fault until the bot was whole again: bars decided, buying allowed, books equal."""
    edges: int = 0
    """Edges that the first life passed, or that it reached until it died."""
    orders: int = 0
    trades: int = 0
    died_at: str = ""
    trace: str = ""
    """Hash of everything that happened, with its time."""
    took_s: float = 0.0
    cpu_s: float = 0.0
    """Wall and processor seconds of this machine."""


class World:
    """A venue and a bot on one virtual clock."""

    def __init__(self, plan: Plan, folder: Path, loop: VirtualLoop) -> None:
        self.plan = plan
        self.loop = loop
        chance = random.Random(f"world {plan.seed}")  # noqa: S311 - reproducible
        longest = WARM + plan.bars + ALIVE_WITHIN + FLAT + 200
        options = Options(
            speed=SPEED, auto_redeem=chance.random() < 0.7, named_share=chance.choice((0.0, 0.5)),
            rebates=chance.random() < 0.3, protocol_v2_share=chance.choice((0.0, 0.3)),
        )  # fmt: skip
        self.venue = Venue(options, ScriptedMarkets(str(plan.seed), longest))
        self.site = Site()
        self.params = _params(chance)
        self.settings = Settings(
            _env_file=None, private_key=KEY, clob_url=url("clob"), clob_ws_url=url("clob", "ws"),
            gamma_url=url("gamma"), data_url=url("data"), news_url="", var=folder, kill_switch=folder / "KILL",
        )  # fmt: skip
        self.orders_seen: dict[str, Order] = {}
        self.calm_since = 0
        self.not_recovered = ""
        self.failed_once: set[str] = set()
        """Trades whose settlement was called failed at some time, whatever it is called later."""
        self.killed_at: float | None = None
        """When the kill switch was turned on."""
        self.life: Life
        self.checks = Invariants(self)
        self._stepped = asyncio.Event()
        self._trace = hashlib.blake2b(digest_size=16)

    # What the checks read

    @property
    def bar(self) -> int:
        """Bars since the start."""
        return (self.venue.now_s - START_S) // STEP_S

    @property
    def account(self) -> Account | None:
        """The bot's account at the venue; None before it has logged in."""
        return next((one for one in self.venue.exchange.accounts.values() if not one.internal), None)

    @property
    def decided_bars(self) -> int:
        """Bars that the present life has decided."""
        return self.life.bot.status.decided_bars

    @property
    def cannot_buy(self) -> str:
        """Why the bot buys nothing now; empty when it may."""
        bot = self.life.bot
        why = [] if bot._guarded() else ["no heartbeat, or 403"]
        why += [bot._watch.reduce_only] if bot._watch.reduce_only else []
        why += ["books and venue differ"] if bot.status.ledger_equals_venue is False else []
        return "; ".join(why)

    def alarms(self) -> str:
        """What the dashboard shows as wrong."""
        return "; ".join(self.life.bot.status._alarms.values())[:300]

    def open_markets(self) -> list[LiveMarket]:
        """Markets that take orders."""
        return [self.venue.exchange.markets[name] for name in sorted(self.venue.open_markets)]

    def mid_units(self, market: LiveMarket, token: str) -> int:
        """What a share of a token is worth now."""
        if market.state is MarketState.RESOLVED:
            return market.payout_micro(market.outcome(token)) // 100
        tick = self.venue.market_maker._ticks.get(market.listing.market_id)
        mid = (tick.bid_units + tick.ask_units) // 2 if tick is not None else 5_000
        return mid if market.outcome(token) is Outcome.YES else 10_000 - mid

    def shares(self, account: Account) -> dict[str, int]:
        """Settled shares of the account by token."""
        return {token: micro for token, micro in account.positions.items() if micro}

    def payout_micro(self, token: str) -> int | None:
        """What a share of a decided market pays; None before it is decided."""
        market = self.venue.exchange.by_token[token]
        if market.payout_yes_micro is None:
            return None
        return market.payout_micro(market.outcome(token))

    def sellable(self, token: str, micro: int, least_micro: int | None = None) -> bool:
        """Whether shares could be sold now: the market takes orders, and they are enough for one."""
        market = self.venue.exchange.by_token[token]
        least = market.listing.min_size_micro if least_micro is None else least_micro
        return market.state is MarketState.OPEN and sellable_micro(micro) >= max(least, 1)

    # Playing

    def trace(self, *what: Any) -> None:
        """Note that something happened now."""
        self._trace.update(f"{self.loop.clock.now:.9f} {what}\n".encode())

    async def play(self, report: Report) -> None:
        """Play the plan to its end."""
        venue, site = self.venue, self.site
        venue.open_quotes()
        site.open(venue)
        assert site.faults is not None
        site.faults.seed = self.plan.seed
        site.faults._random.seed(self.plan.seed)
        wires = Wires(self.loop, applications(site, admin=False), str(self.plan.seed))
        wires.trace = self.trace
        wires.may_wait = lambda: bool(site.faults is None or site.faults.active)
        before = client_v2.use(BlockingClient(self.loop, lambda: LIFE.get().network))
        venue.on_step.append(self._step)
        venue.on_order.append(self._order)
        venue.on_trade.append(self._traded)
        tasks = start_loops(venue, site)
        try:
            await self._live(wires, report)
        finally:
            client_v2.use(before)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        report.bars, report.orders = self.bar, len(self.orders_seen)
        report.trades = len(venue.exchange.trades)
        report.violations = list(self.checks.found.values())
        report.trace = self._trace.hexdigest()

    async def _live(self, wires: Wires, report: Report) -> None:
        assert self.site.faults is not None
        self.life = first = Life(self.loop, wires, self.settings, self.params, self.plan.dies_at)
        first.start()
        await self._until(WARM)
        self.site.faults.load(self.plan.events)
        burial = self.loop.create_task(self._bury_and_revive(wires, report))
        try:
            await self._until(WARM + self.plan.bars)
            report.recovered_after = await self._recover()
            await self._end()
        finally:
            report.edges = first.edges
            burial.cancel()
            await asyncio.gather(burial, return_exceptions=True)

    async def _bury_and_revive(self, wires: Wires, report: Report) -> None:
        first = self.life
        await first.died.wait()
        report.died_at = first.dead_at
        await first.bury()
        await asyncio.sleep(DEAD_S)
        self.life = Life(self.loop, wires, self.settings, self.params)
        self.life.start()

    async def _recover(self) -> int:
        """Wait until the bot is whole for two bars, at most as long as it may need; the calm bars that it took."""
        whole = 0
        while whole < 2:
            decided = self.decided_bars
            await self._next()
            calm = self.bar - self.calm_since
            if calm <= 0:
                continue
            self.not_recovered = self._not_whole(decided)
            whole = 0 if self.not_recovered else whole + 1
            if calm > ALIVE_WITHIN:
                return calm
        return max(0, self.bar - self.calm_since - 2)

    def _not_whole(self, decided: int) -> str:
        if self.open_markets() and self.decided_bars == decided:
            return f"no bar was decided: {self.alarms()}"
        return self.cannot_buy

    async def _end(self) -> None:
        """Turn the kill switch on, wait until nothing is left to sell or to book, compare, and stop. A bot that dies in
        doing so is waited for, and does it again."""
        self.killed_at = self.loop.time()
        await self.life.do(self.life.bot.kill(True))
        while True:
            await self._quiet()
            self.checks.at_the_end()
            if await self.life.do(self.life.bot.stop()):
                return
            while self.life.died.is_set():
                await self._next()

    async def _quiet(self) -> None:
        """Wait until nothing has been left for two bars, at most as long as it may take."""
        quiet = 0
        for _ in range(FLAT):
            await self._next()
            account = self.account
            busy = account is None or self.life.died.is_set() or self._left(account)
            quiet = 0 if busy else quiet + 1
            if quiet >= 2:
                return

    def _left(self, account: Account) -> bool:
        """Whether something is still to be sold, to settle, or to be booked."""
        if any(order.account is account for one in self.venue.exchange.pending.values() for order in one.orders()):
            return True
        if any(self.sellable(token, micro, 0) for token, micro in self.shares(account).items()):
            return True
        return bool(self.venue.exchange.open_orders(account)) or self.checks.books_differ(account) != []

    async def _until(self, bar: int) -> None:
        while self.bar < bar:
            await self._next()

    async def _next(self) -> None:
        self._stepped.clear()
        await self._stepped.wait()

    def _step(self) -> None:
        faults = self.site.faults
        if faults is not None and (faults.active or len(faults.timetable) or faults.resolutions.waiting):
            self.calm_since = self.bar
        self.trace("step", self.venue.now_s)
        self.checks.step()
        self._stepped.set()

    def _traded(self, trade: Trade) -> None:
        if trade.status is TradeStatus.FAILED:
            self.failed_once.add(trade.trade_id)
        self.trace("trade", trade.status.value, trade.shares_micro)

    def _order(self, event: str, order: Order) -> None:
        if order.order_id not in self.orders_seen:
            self.checks.ordered(order)
        self.orders_seen[order.order_id] = order
        self.trace("order", event, order.side.value, order.price_units, order.shares_micro)


def _params(chance: random.Random) -> Params:
    shipped = _shipped()
    entry = chance.choice(("take", "take", "rest"))
    # What is shipped for bars of a minute, for the bars of the drill.
    longer = {name: getattr(shipped.risk, name) * BAR_MIN for name in ("max_quote_age_s", "exit_ladder_s")}
    return shipped.model_copy(
        update={
            "bars": shipped.bars.model_copy(update={"length_s": STEP_S}),
            "execution": shipped.execution.model_copy(update={"entry": entry}),
            "forecast": shipped.forecast.model_copy(update={"lookback_bars": LOOKBACK}),
            "risk": shipped.risk.model_copy(update=longer),
        }
    )


_SHIPPED: list[Params] = []


def _shipped() -> Params:
    if not _SHIPPED:
        _SHIPPED.append(parameters.read(SHIPPED))
    return _SHIPPED[0]


@contextmanager
def _fast() -> Iterator[None]:
    """Look at clocks seldom, and compile the statements of the journal once for all worlds."""
    before = feed.IDLE_S, loops.UPKEEP_S, database.create_engine
    feed.IDLE_S = loops.UPKEEP_S = POLLED_S
    database.create_engine = engine_of
    try:
        yield
    finally:
        feed.IDLE_S, loops.UPKEEP_S, database.create_engine = before


def run(plan: Plan) -> Report:
    """Play a plan in a world of its own. The same plan gives the same report in every process with PYTHONHASHSEED=0."""
    report, clock = Report(plan), Clock()
    began, began_cpu = REAL["perf_counter"](), time.process_time()
    folder = Path(tempfile.mkdtemp(prefix="drill-", dir=_memory()))
    state = random.getstate()
    random.seed(plan.seed)
    try:
        with installed(clock), _fast():
            loop = VirtualLoop(clock, str(plan.seed))
            asyncio.set_event_loop(loop)
            try:
                loop.run_until_complete(World(plan, folder, loop).play(report))
                _clean(loop)
            finally:
                asyncio.set_event_loop(None)
                loop.close()
    finally:
        random.setstate(state)
        shutil.rmtree(folder, ignore_errors=True)
    report.took_s, report.cpu_s = REAL["perf_counter"]() - began, time.process_time() - began_cpu
    return report


def _clean(loop: VirtualLoop) -> None:
    left = asyncio.all_tasks(loop)
    for task in left:
        task.cancel()
    if left:
        loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))


def _memory() -> str | None:
    """A folder in memory where there is one: a commit costs no disk."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108 - removed at the end


__all__ = ["MICRO", "Plan", "Report", "World", "replace", "run"]
