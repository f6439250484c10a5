"""Plays one schedule: the venue with its faults, the processes of the bot, and the checks after every bar."""

import asyncio
import hashlib
import random
from pathlib import Path
from typing import Any, Final

from drills.forks import Forks
from drills.invariants import ALIVE_WITHIN, Invariants
from drills.life import LIFE, Life
from drills.loop import VirtualLoop
from drills.markets import BAR_MIN, START_S, STEP_S, ScriptedMarkets
from drills.model import LOOKBACK
from drills.network import BlockingClient
from drills.plan import Plan, Report
from drills.wires import Wires, url
from pipelines.core import params as parameters
from pipelines.core.domain import Outcome
from pipelines.core.params import Params
from pipelines.core.settings import Mode, Settings
from pipelines.trading.kernel import sellable_micro
from pipelines.venue import client_v2
from simulator.api.apps import Site, applications
from simulator.engine.accounts import Account
from simulator.engine.markets import LiveMarket, MarketState
from simulator.engine.orders import Order, Trade, TradeStatus
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
"""Wall seconds between a kill of the bot and its next start."""

KEY: Final = "0x" + "1d" * 32

SHIPPED: Final = Path(__file__).resolve().parents[1] / "params.yaml"


class World:
    """A venue and a bot on one virtual clock."""

    def __init__(self, plan: Plan, folder: Path, loop: VirtualLoop, forks: Forks | None = None) -> None:
        self.plan = plan
        self._forks = forks
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
            _env_file=None, mode=Mode.SIMULATED, live="", private_key=KEY, funder=None, signature_type=0,
            clob_client="v2", clob_url=url("clob"), clob_ws_url=url("clob", "ws"), gamma_url=url("gamma"),
            data_url=url("data"), news_url="", journal_url="", var=folder, kill_switch=folder / "KILL",
        )  # fmt: skip
        self.orders_seen: dict[str, Order] = {}
        self.calm_since = 0
        self.not_recovered = ""
        self.failed_once: set[str] = set()
        """Trades whose settlement was reported as failed at some time, whatever was reported later."""
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
        """Bars that the present process of the bot has decided."""
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

    # Playing the schedule

    def trace(self, *what: Any) -> None:
        """Add something that happened now to the hash of the schedule."""
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
        self.life = first = Life(
            self.loop, wires, self.settings, self.params, self.plan.dies_at, self._forks, self.plan.policy
        )
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
        if self._forks is not None:
            self.settings = self._forks.moved(self.settings)
        await asyncio.sleep(DEAD_S)
        self.life = Life(self.loop, wires, self.settings, self.params, policy=self.plan.policy)
        self.life.start()

    async def _recover(self) -> int:
        """Wait until the bot has decided bars and was allowed to buy for two bars, at most `ALIVE_WITHIN` bars. Returns
        the bars without a fault that this took."""
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
        """Turn the kill switch on, wait until nothing is left to sell or to book, compare, and stop. When the bot is
        killed meanwhile, its next process does this again."""
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
        """Wait until nothing was left to sell or book for two bars, at most `FLAT` bars."""
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
    # The shipped values are for bars of a minute; the bars of a drill are longer.
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
