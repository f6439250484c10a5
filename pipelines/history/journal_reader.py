"""Reading the running system's journal: bars with what `decide` saw, decisions, orders and fills. Never writes."""

import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from pipelines import decision_record
from pipelines.core.domain import Market
from pipelines.core.errors import DataError
from pipelines.core.params import Params
from pipelines.core.settings import Settings
from pipelines.decide import Account, Inputs
from pipelines.history.journaled_limits import JournaledLimits
from pipelines.history.modelled import JournaledMarkets

AT_ONCE = 500
"""Market times that one statement asks for."""


@dataclass(frozen=True)
class LiveBar:
    """One decided bar of the journal. Inputs of markets that nothing describes are counted in `unknown`."""

    ts_s: int
    bundle: str
    inputs: list[Inputs]
    account: Account
    decisions: dict[str, Mapping[str, Any]]
    unknown: int
    limits: JournaledLimits | None
    """None where an older program journaled none."""


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
        decisions: dict[int, dict[str, Mapping[str, Any]]] = {}
        for row in self._rows("decisions", "ts_s"):
            decisions.setdefault(row["ts_s"], {})[row["market_id"]] = row
        self._learn_markets(self._from_s)
        for row in self._rows("bars", "ts_s"):
            yield self._bar(row, decisions.get(row["ts_s"], {}))

    def bar_at(self, ts_s: int) -> LiveBar | None:
        """The bar that was decided at a market time; None where none was."""
        rows = self._at("bars", ts_s)
        if not rows:
            return None
        self._learn_markets(ts_s)
        return self._bar(rows[0], {row["market_id"]: row for row in self._at("decisions", ts_s)})

    def newest_bars(self, before_s: int, most: int) -> list[tuple[int, bytes, str, int]]:
        """(market time, what was seen, bundle, session) of so many bars before a time whose inputs are kept, newest
        first."""
        table = self._tables.tables["bars"]
        kept = (table.c.account == self.account) & (table.c.ts_s < before_s) & (sa.func.length(table.c.inputs) > 0)
        query = sa.select(table.c.ts_s, table.c.inputs, table.c.bundle, table.c.session_id).where(kept)
        with self._engine.connect() as db:
            rows = db.execute(query.order_by(table.c.ts_s.desc()).limit(most))
            return [(int(row[0]), bytes(row[1]), str(row[2]), int(row[3])) for row in rows]

    def bars_of(self, bundle: str) -> frozenset[int]:
        """Market times of the bars that a bundle decided."""
        table = self._tables.tables["bars"]
        query = sa.select(table.c.ts_s).where(table.c.account == self.account).where(table.c.bundle == bundle)
        with self._engine.connect() as db:
            return frozenset(int(found) for found in db.execute(query).scalars())

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
        return LiveBar(row["ts_s"], row["bundle"], seen.inputs, seen.account, made, seen.unknown, limits)

    def at(self, times: Sequence[int]) -> JournaledMarkets:
        """What the bars of some market times saw of the markets that were ever traded; bars that the journal has
        forgotten are not in it."""
        book, table = JournaledMarkets(), self._tables.tables["bars"]
        for first in range(0, len(times), AT_ONCE):
            some = table.c.ts_s.in_(times[first : first + AT_ONCE]) & (sa.func.length(table.c.inputs) > 0)
            with self._engine.connect() as db:
                rows = db.execute(sa.select(table).where(table.c.account == self.account).where(some))
                for row in rows:
                    bar = self._bar(dict(row._mapping), {})
                    book.inputs |= {(one.market.market_id, bar.ts_s): one for one in bar.inputs}
                    if bar.limits:
                        book.terms[bar.ts_s] = (bar.limits.execution, bar.limits.bar_length_s)
        return book

    def orders(self) -> list[Mapping[str, Any]]:
        """Orders by decision time."""
        return list(self._rows("orders", "ts_s"))

    def latencies_ms(self) -> list[float]:
        """From the close of a bar to the venue's answer, of every order that was answered: what the bar's decisions
        took, and the order."""
        bars, orders = self._tables.tables["bars"], self._tables.tables["orders"]
        same = (bars.c.account == orders.c.account) & (bars.c.ts_s == orders.c.ts_s)
        query = sa.select(bars.c.took_ms + orders.c.latency_ms).select_from(orders.join(bars, same))
        query = query.where(orders.c.account == self.account).where(orders.c.ts_s >= self._from_s)
        with self._engine.connect() as db:
            return [float(one) for one in db.execute(query.where(orders.c.latency_ms > 0.0)).scalars()]

    def orders_at(self, ts_s: int) -> list[Mapping[str, Any]]:
        """Orders that were decided at a market time."""
        return self._at("orders", ts_s)

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
