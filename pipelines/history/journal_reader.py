"""Reading the running system's journal: bars with what `decide` saw, decisions, orders and fills. Never writes."""

import contextlib
import heapq
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from pipelines import decision_record
from pipelines.core.domain import Market
from pipelines.core.errors import DataError
from pipelines.core.orders import OrderType
from pipelines.core.params import Params
from pipelines.core.settings import Mode, Settings
from pipelines.decide import Account, Inputs
from pipelines.history.journaled_limits import JournaledLimits
from pipelines.history.modelled import JournaledMarkets
from pipelines.trading.latency import GRACE_S

AT_ONCE = 500
"""Market times that one statement asks for."""

BETWEEN: Final = "between_bars"
"""The table of turns between two bars."""

AT: Final = ("ts_s", "after_ms")
"""What tells the turns of an account apart: the market time of the close, and ms after it."""


@dataclass(frozen=True)
class LiveBar:
    """One turn of the journal: a decided bar, or `after_ms` after its close what was decided before the next. Inputs of
    markets that nothing describes are counted in `unknown`."""

    ts_s: int
    bundle: str
    inputs: list[Inputs]
    account: Account
    decisions: dict[str, Mapping[str, Any]]
    unknown: int
    limits: JournaledLimits | None
    """None where an older program journaled none."""
    after_ms: int = 0

    @property
    def at(self) -> tuple[int, int]:
        """Market time of the close, and the milliseconds after it: what tells the turns of an account apart."""
        return self.ts_s, self.after_ms


def url(settings: Settings) -> str:
    """Where the journal is.

    Raises:
        DataError: if there is no journal yet.
    """
    if settings.journal_url:
        return settings.journal_url
    path = settings.var / "journal.sqlite"
    if not path.is_file():
        raise DataError(f"{path} does not exist; this needs the journal of a bot that has run (`make run`)")
    return f"sqlite:///file:{path.resolve()}?mode=ro&uri=true"


def _driver_url(where: str) -> sa.URL:
    """The URL with the driver that the service uses, whichever a person wrote."""
    parsed = sa.make_url(where)
    return parsed.set(drivername="postgresql+psycopg") if parsed.get_backend_name() == "postgresql" else parsed


class JournalReader:
    """One account of a journal (the newest one where none is named), from a market time on. `today` fills in what
    journaled limits do not name. It holds connections until `close`.
    """

    def __init__(
        self, where: str, static: Mapping[str, Market], hours: float, today: Params, account: str | None = None
    ) -> None:
        self._tables = sa.MetaData()
        try:
            self._engine = sa.create_engine(_driver_url(where))
            newest = self._newest(account)
        except (SQLAlchemyError, ValueError) as error:
            reason = str(getattr(error, "orig", error)).partition("\n")[0]
            raise DataError(
                f"the journal cannot be read ({reason}); check ODDSMITH_VAR or ODDSMITH_JOURNAL_URL"
            ) from None
        if newest is None:
            self.close()
            raise DataError("the journal holds no decided bar; let the bot run for a few bars first")
        self.account = str(newest[0])
        self._from_s = int(newest[1] - hours * 3600)
        self.markets = {**static, **self._traded()}
        self.limits = self._limits(today)

    def close(self) -> None:
        """Give the connections back."""
        self._engine.dispose()

    def _newest(self, account: str | None) -> sa.Row[Any] | None:
        """Account and time of the newest bar; None in a journal that no bot has written to."""
        self._tables.reflect(self._engine)
        bars = self._tables.tables.get("bars")
        if bars is None:
            return None
        query = sa.select(bars.c.account, bars.c.ts_s).order_by(bars.c.ts_s.desc()).limit(1)
        with self._engine.connect() as db:
            return db.execute(query if account is None else query.where(bars.c.account == account)).first()

    def _rows(self, name: str, *order: str, since: bool = True) -> Iterator[Mapping[str, Any]]:
        table = self._tables.tables[name]
        query = sa.select(table).where(table.c.account == self.account)
        if since:
            query = query.where(table.c.ts_s >= self._from_s)
        with self._engine.connect() as db:
            for row in db.execute(query.order_by(*(table.c[column] for column in order))):
                yield dict(row._mapping)

    def rows(self, name: str, *order: str) -> Iterator[Mapping[str, Any]]:
        """All rows of the account in a table, in an order; none where an older program made the journal without it."""
        if name in self._tables.tables:
            yield from self._rows(name, *order, since=False)

    def facts(self) -> dict[str, int]:
        """Durable numbers of the account."""
        return {row["name"]: int(row["value"]) for row in self.rows("facts", "name")}

    def equity(self) -> list[tuple[int, int, int, str]]:
        """(market time, equity, cash, bundle) of every decided bar, in the order of time, without what was seen."""
        table = self._tables.tables["bars"]
        query = sa.select(table.c.ts_s, table.c.equity_micro, table.c.cash_micro, table.c.bundle)
        with self._engine.connect() as db:
            rows = db.execute(query.where(table.c.account == self.account).order_by(table.c.ts_s))
            return [(int(row[0]), int(row[1]), int(row[2]), str(row[3])) for row in rows]

    def _traded(self) -> dict[str, Market]:
        rows = self._rows("markets", "market_id", since=False)
        return {row["market_id"]: decision_record.market_of(json.loads(row["market"])) for row in rows if row["market"]}

    def _limits(self, today: Params) -> dict[tuple[int, str], JournaledLimits]:
        """(session, bundle) -> the limits that were in force, in the order of time."""
        if "rules" not in self._tables.tables:
            return {}
        rows = self._rows("rules", "session_id", "wall_ms", since=False)
        return {(row["session_id"], row["bundle"]): JournaledLimits.read(row["document"], today) for row in rows}

    def bars(self) -> Iterator[LiveBar]:
        """Decided bars in the order of time."""
        return self._in_order("bars")

    def turns(self) -> Iterator[LiveBar]:
        """Bars, and what was decided between them, in the order of time."""
        return self._in_order("bars", BETWEEN)

    def _in_order(self, *names: str) -> Iterator[LiveBar]:
        decisions: dict[int, dict[str, Mapping[str, Any]]] = {}
        for row in self._rows("decisions", "ts_s"):
            decisions.setdefault(row["ts_s"], {})[row["market_id"]] = row
        self._learn_markets(self._from_s)
        tables = (self._rows(name, *AT[: 1 + (name == BETWEEN)]) for name in names if name in self._tables.tables)
        # Read in their order: a record describes only the markets that none before it has described.
        for row in heapq.merge(*tables, key=lambda one: (one["ts_s"], one.get("after_ms", 0))):
            yield self._bar(row, {} if row.get("after_ms") else decisions.get(row["ts_s"], {}))

    def bar_at(self, ts_s: int) -> LiveBar | None:
        """The bar that was decided at a market time; None where none was."""
        rows = self._at("bars", ts_s)
        if not rows:
            return None
        self._learn_markets(ts_s)
        return self._bar(rows[0], {row["market_id"]: row for row in self._at("decisions", ts_s)})

    def turn_at(self, ts_s: int, after_ms: int) -> LiveBar | None:
        """The bar that was decided at a market time, or the turn so long after it; None where none was."""
        if not after_ms:
            return self.bar_at(ts_s)
        return self._between([row for row in self._at(BETWEEN, ts_s) if row["after_ms"] == after_ms])

    def turn_at_ms(self, market_ms: int) -> LiveBar | None:
        """The turn that was taken at a market time in ms, at a close or between two; None where none was."""
        bar = None if market_ms % 1_000 else self.bar_at(market_ms // 1_000)
        if bar is not None or BETWEEN not in self._tables.tables:
            return bar
        table = self._tables.tables[BETWEEN]
        there = table.c.ts_s * 1_000 + table.c.after_ms == market_ms
        query = sa.select(table).where(table.c.account == self.account).where(there)
        with self._engine.connect() as db:
            return self._between([dict(row._mapping) for row in db.execute(query)])

    def _between(self, rows: Sequence[Mapping[str, Any]]) -> LiveBar | None:
        if not rows:
            return None
        self._learn_markets(rows[0]["ts_s"] + 1)
        return self._bar(rows[0], {})

    def newest_bars(self, before_s: int, most: int) -> list[tuple[int, bytes, str, int]]:
        """(market time, what was seen, bundle, session) of so many bars before a time whose inputs are kept, newest
        first."""
        table = self._tables.tables["bars"]
        kept = (table.c.account == self.account) & (table.c.ts_s < before_s) & (sa.func.length(table.c.inputs) > 0)
        query = sa.select(table.c.ts_s, table.c.inputs, table.c.bundle, table.c.session_id).where(kept)
        with self._engine.connect() as db:
            rows = db.execute(query.order_by(table.c.ts_s.desc()).limit(most))
            return [(int(row[0]), bytes(row[1]), str(row[2]), int(row[3])) for row in rows]

    def turns_of(self, bundle: str) -> frozenset[tuple[int, int]]:
        """`LiveBar.at` of the bars that a bundle decided, and of its turns between them."""
        found: set[tuple[int, int]] = set()
        for name in {"bars", BETWEEN} & self._tables.tables.keys():
            table = self._tables.tables[name]
            after = table.c.after_ms if name == BETWEEN else sa.literal(0)
            query = sa.select(table.c.ts_s, after).where(table.c.account == self.account, table.c.bundle == bundle)
            with self._engine.connect() as db:
                found |= {(int(ts_s), int(ms)) for ts_s, ms in db.execute(query)}
        return frozenset(found)

    def _at(self, name: str, ts_s: int) -> list[Mapping[str, Any]]:
        """Rows of one market time."""
        table = self._tables.tables.get(name)
        if table is None:
            return []
        query = sa.select(table).where(table.c.account == self.account).where(table.c.ts_s == ts_s)
        with self._engine.connect() as db:
            return [dict(row._mapping) for row in db.execute(query)]

    def _learn_markets(self, before_s: int) -> None:
        """Read the bars before a time for what they describe: a record does not repeat it every time."""
        table = self._tables.tables["bars"]
        query = sa.select(table.c.inputs).where(table.c.account == self.account).where(table.c.ts_s < before_s)
        query = query.order_by(table.c.ts_s.desc()).limit(decision_record.DESCRIBE_EVERY)
        with self._engine.connect() as db:
            for content in reversed(db.execute(query).scalars().all()):
                with contextlib.suppress(decision_record.OtherFormat):
                    if content:
                        decision_record.unpack(content, self.markets)

    def _bar(self, row: Mapping[str, Any], decisions: dict[str, Mapping[str, Any]]) -> LiveBar:
        try:
            seen = decision_record.unpack(row["inputs"], self.markets)
        except decision_record.OtherFormat:
            # Bars of an older program, or forgotten ones: none of their decisions can be taken again.
            seen = decision_record.DecidedBar([], decision_record.NOTHING, len(decisions), {})
        limits = self.limits.get((row["session_id"], row["bundle"]))
        made: dict[str, Mapping[str, Any]] = {**(decisions or seen.decisions)}
        after_ms = int(row.get("after_ms", 0))
        return LiveBar(row["ts_s"], row["bundle"], seen.inputs, seen.account, made, seen.unknown, limits, after_ms)

    def at(self, times: Sequence[int]) -> JournaledMarkets:
        """What the bars of some market times, and the turns until the next ones, saw of the markets that were ever
        traded; what the journal has forgotten is not in it."""
        book = JournaledMarkets()
        for first in range(0, len(times), AT_ONCE):
            for name in {"bars", BETWEEN} & self._tables.tables.keys():
                table = self._tables.tables[name]
                some = table.c.ts_s.in_(times[first : first + AT_ONCE]) & (sa.func.length(table.c.inputs) > 0)
                with self._engine.connect() as db:
                    for row in db.execute(sa.select(table).where(table.c.account == self.account).where(some)):
                        bar = self._bar(dict(row._mapping), {})
                        book.take(bar.at, bar.inputs, bar.limits)
        return book

    def orders(self) -> list[Mapping[str, Any]]:
        """Orders by decision time."""
        return list(self._rows("orders", "ts_s"))

    def latencies_ms(self) -> list[float]:
        """From the end of a bar to the venue's answer, of every order that was answered: the grace for late messages,
        what the decisions took, the orders that were sent before it, and the order itself, less the hold of its market
        where it took, which comes on top of `execution.latency_ms`. Of orders between two bars from the reference price
        on that led to them. None of paper trading: there it was drawn."""
        found: list[float] = []
        for name in {"bars", BETWEEN} & self._tables.tables.keys():
            found += self._latencies_ms(name)
        return found

    def _latencies_ms(self, name: str) -> Iterator[float]:
        """Of the orders of bars, or of turns between them."""
        turns, orders = self._tables.tables[name], self._tables.tables["orders"]
        same = (turns.c.account == orders.c.account) & (turns.c.ts_s == orders.c.ts_s)
        if "after_ms" in orders.c:
            same &= orders.c.after_ms == (turns.c.after_ms if name == BETWEEN else 0)
        after = turns.c.after_ms if name == BETWEEN else sa.literal(0)
        names = (orders.c.ts_s, after, orders.c.market_id, orders.c.payload, turns.c.took_ms, orders.c.latency_ms)
        query = sa.select(*names).select_from(orders.join(turns, same))
        query = query.where(orders.c.account == self.account).where(orders.c.ts_s >= self._from_s)
        query = query.where(turns.c.mode != Mode.PAPER.value)
        query = query.where(orders.c.latency_ms > 0.0).order_by(orders.c.ts_s, after, orders.c.created_ms)
        turn, passed_ms, grace_ms = None, 0.0, GRACE_S * 1e3 if name == "bars" else 0.0
        with self._engine.connect() as db:
            for ts_s, after_ms, market_id, payload, took_ms, order_ms in db.execute(query):
                began_ms = passed_ms if turn == (ts_s, after_ms) else grace_ms + float(took_ms)
                turn, passed_ms = (ts_s, after_ms), began_ms + float(order_ms)
                yield max(passed_ms - self._held_ms(market_id, payload), 0.0)

    def _held_ms(self, market_id: str, payload: str) -> int:
        """How long the venue held an order before it met the book: nothing where it was sent to rest."""
        market = self.markets.get(market_id)
        takes = json.loads(payload).get("orderType") == OrderType.FAK
        return market.taker_delay_ms if market is not None and takes else 0

    def orders_of(self, bar: LiveBar) -> list[Mapping[str, Any]]:
        """Orders that a turn asked for."""
        return [row for row in self._at("orders", bar.ts_s) if row.get("after_ms", 0) == bar.after_ms]

    def every_order(self) -> Iterator[Mapping[str, Any]]:
        """All orders of the account by decision time, however long ago."""
        return self._rows("orders", "ts_s", since=False)

    def payouts_micro(self) -> dict[str, int]:
        """Market id -> what a YES share of a decided market paid."""
        return {row["market_id"]: row["payout_yes_micro"] for row in self._rows("settlements", "seq")}

    def fills(self) -> dict[str, list[Mapping[str, Any]]]:
        """Order id -> its fills."""
        found: dict[str, list[Mapping[str, Any]]] = {}
        for row in self._rows("fills", "seq"):
            found.setdefault(row["order_id"], []).append(row)
        return found
