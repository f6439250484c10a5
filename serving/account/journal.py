"""The write-ahead journal: what was decided, what was sent, what came of it. One transaction per change of the world.

An order is written, keyed by its hash, before it is sent; a fill is written once per (fill id, order id), however often
the venue reports it. All methods are synchronous and safe to call from any thread.
"""

import json
import threading
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import Connection, Select, Table, bindparam, delete, func, insert, select, update

from pipelines.core.domain import Fill, FillState, Outcome, Side
from pipelines.core.errors import ArtifactError
from pipelines.core.orders import SignedOrder, intent_json
from pipelines.decide import Decision
from pipelines.trading.order_states import FINAL, OrderState
from serving.account import lock, migrations, schema
from serving.account.database import add, connect, driver_rows, insert_once, put, selecting, set_columns, with_the_next
from serving.account.reserve import Reserve

PENDING = tuple(state for state in OrderState if state not in FINAL)
"""States in which money may still move."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRow:
    """An order as the journal knows it."""

    order_id: str
    ts_s: int
    created_ms: int
    market_id: str
    token_id: str
    outcome: Outcome
    side: Side
    price_units: int
    shares_micro: int
    reason: str
    state: OrderState
    venue_status: str
    text: str
    filled_micro: int
    latency_ms: float | None

    @property
    def rest_micro(self) -> int:
        """Shares that may still trade."""
        return max(0, self.shares_micro - self.filled_micro)


class BookedFill(NamedTuple):
    """A fill with what the ledger needs to book it again: the YES mid at that time and the reason of the order."""

    fill: Fill
    yes_mid_units: int
    reason: str
    seq: int


class Settlement(NamedTuple):
    """A resolved market: what YES paid per share, and what came in."""

    market_id: str
    payout_yes_micro: int
    cash_micro: int
    ts_s: int
    seq: int


class Decided(NamedTuple):
    """A decided market whose payout was still to come: what YES pays per share."""

    market_id: str
    payout_yes_micro: int
    seq: int


class Request(NamedTuple):
    """What somebody asked of the account, and what it changed; `done_ms` is None while it waits."""

    number: int
    kind: str
    argument: str
    asked_by: str
    asked_ms: int
    done_ms: int | None
    text: str


class CashFlow(NamedTuple):
    """Cash that no trade explains. `kind` is the venue's word (REWARD, DEPOSIT, ...) or UNEXPLAINED."""

    flow_id: str
    kind: str
    cash_micro: int
    ts_s: int


def is_own_booking(fill_id: str) -> bool:
    """Whether no trade of the venue is behind a booking: taken back, booked again, adopted, or merged."""
    return fill_id.startswith(("void", "redo", "adopted/", "merged/"))


def wall_ms() -> int:
    """Wall time in Unix milliseconds."""
    return time.time_ns() // 1_000_000


class Journal:
    """The journal, held exclusively from here on; `begin` names the account. `reserve` bytes of
    the disk are kept for it.

    Raises:
        AlreadyRunning: if another bot holds the lock.
        ArtifactError: if the database cannot be used, or a newer program wrote the journal.
    """

    def __init__(self, url: str, mode: str, *, reserve: int = 0) -> None:
        self.reserve = Reserve.of(url, reserve) if reserve else None
        self.account = ""
        self.session_id = 0
        self._mode = mode
        self._engine = connect(url)
        if self.reserve is not None:
            self.reserve.watch(self._engine)
        self._lock = lock.acquire(self._engine)
        try:
            self.migrated = migrations.bring_up(self._engine)
        except ArtifactError:
            self._lock.release()
            raise
        self._mutex = threading.RLock()
        self._described: dict[tuple[str, str], str] = {}
        """(account, market id) -> static data of the market as its newest order wrote it."""
        self._between: list[tuple[Mapping[str, Any], Mapping[str, int]]] = []
        """Turns between two bars that wait for the transaction of the end of a turn."""

    def begin(self, account: str) -> None:
        """Start a session of an account; everything below reads and writes its rows alone."""
        self.account = account
        row = {"account": account, "mode": self._mode, "started_ms": wall_ms()}
        with self._mutex, self._engine.begin() as db:
            key = db.execute(insert(schema.SESSIONS).values(row)).inserted_primary_key
        self.session_id = int(key[0]) if key else 0

    def renew(self) -> None:
        """End the session of the account and start its next one: other limits hold from now on."""
        where = schema.SESSIONS.c.id == self.session_id
        with self._mutex:
            with self._engine.begin() as db:
                db.execute(update(schema.SESSIONS).where(where).values(ended_ms=wall_ms()))
            self.begin(self.account)

    @property
    def reduce_only(self) -> str:
        """Why only what selling needs may be written; empty while the disk has room."""
        return self.reserve.reduce_only if self.reserve is not None else ""

    def close(self) -> None:
        """Write the end of the session and let the next bot in."""
        where = schema.SESSIONS.c.id == self.session_id
        with self._mutex:
            with self._engine.begin() as db:
                self._write_between(db)
                db.execute(update(schema.SESSIONS).where(where).values(ended_ms=wall_ms()))
            self._lock.release()
            self._engine.dispose()

    # Orders

    def intend(self, order: SignedOrder, market: str) -> OrderRow:
        """Write an order, and the static data of its market, before it is sent; what is known of it until it is
        answered. The same order twice is one row."""
        intent = order.intent
        row = {name: getattr(intent, name) for name in _INTENT_COLUMNS}
        row |= {"order_id": order.order_id, "account": self.account, "created_ms": wall_ms()}
        row |= {"outcome": intent.outcome.value, "side": intent.side.value, "state": OrderState.PREPARED.value}
        row |= {"venue_status": "", "text": "", "filled_micro": 0}
        row["payload"] = json.dumps(dict(order.payload), default=str)
        # Between a price and its order every statement counts, and the market is mostly written already.
        told = self._described.get((self.account, intent.market_id)) == market
        with self._mutex, self._engine.begin() as db:
            insert_once(db, schema.ORDERS, row)
            self._know(db, intent.market_id, "" if told else market)
        self._described[self.account, intent.market_id] = market
        return _order(row | {"latency_ms": 0.0})

    def _know(self, db: Connection, market_id: str, market: str) -> None:
        if market:
            row = {"account": self.account, "market_id": market_id, "market": market, "peak_units": 0}
            if not insert_once(db, schema.MARKETS, row):
                self._describe(db, market_id, market)

    def _describe(self, db: Connection, market_id: str, market: str) -> None:
        set_columns(db, schema.MARKETS, self.account, ("market_id", market_id), {"market": market})

    def describe(self, market_id: str, market: str) -> None:
        """Write the newest static data of a market that was ever traded: ticks, fees and ends move."""
        with self._mutex, self._engine.begin() as db:
            self._describe(db, market_id, market)
        self._described.pop((self.account, market_id), None)

    def move(self, order_id: str, state: OrderState, **columns: Any) -> None:
        """Set the state of an order, and other columns of its row."""
        with self._mutex, self._engine.begin() as db:
            set_columns(db, schema.ORDERS, self.account, ("order_id", order_id), {"state": state.value} | columns)

    def move_all(self, moves: Mapping[str, Mapping[str, Any]]) -> None:
        """Set columns of several orders in one transaction."""
        with self._mutex, self._engine.begin() as db:
            self._move_all(db, moves)

    def _move_all(self, db: Connection, moves: Mapping[str, Mapping[str, Any]]) -> None:
        for order_id, columns in moves.items():
            set_columns(db, schema.ORDERS, self.account, ("order_id", order_id), columns)

    def orders(self, states: Iterable[OrderState] | None = None, limit: int = 1000) -> list[OrderRow]:
        """Orders of the account, newest first."""
        table = schema.ORDERS
        query = select(table).where(table.c.account == self.account).order_by(table.c.created_ms.desc()).limit(limit)
        if states is not None:
            query = query.where(table.c.state.in_([state.value for state in states]))
        with self._mutex, self._engine.connect() as db:
            return [_order(dict(row._mapping)) for row in db.execute(query)]

    def order_reason(self, order_id: str) -> str:
        """Why an order was sent; empty when it is not ours."""
        with self._mutex, self._engine.connect() as db:
            return str(db.execute(_REASON, {"this": order_id}).scalar() or "")

    def knows_order(self, order_id: str) -> bool:
        """Whether an order of this id was ever written."""
        with self._mutex, self._engine.connect() as db:
            return db.execute(_REASON, {"this": order_id}).first() is not None

    def order_counts(self) -> dict[str, int]:
        """Number of orders by state, and under `matched` those with a fill."""
        with self._mutex, self._engine.connect() as db:
            rows = db.execute(_COUNTS, {"of_account": self.account}).all()
        return {str(state): int(n) for state, n, _ in rows} | {"matched": sum(int(matched) for _, _, matched in rows)}

    # Fills and settlements

    def book_fill(self, fill: Fill, yes_mid_units: int, reason: str, market: str, seq: int | None = None) -> None:
        """Write a fill once, with its order's filled amount, in one transaction.

        `seq` is its place among the bookings, the last one by default.
        """
        self.book_fills([(BookedFill(fill, yes_mid_units, reason, time.time_ns() if seq is None else seq), market)])

    def book_fills(self, booked: Iterable[tuple[BookedFill, str]]) -> None:
        """Write fills, each with the static data of its market, as `book_fill`; all in one transaction."""
        with self._mutex, self._engine.begin() as db:
            for one, market in booked:
                self._book_fill(db, one, market)

    def _book_fill(self, db: Connection, one: BookedFill, market: str) -> None:
        fill = one.fill
        row = {name: getattr(fill, name) for name in _FILL_COLUMNS}
        row |= {"outcome": fill.outcome.value, "side": fill.side.value, "yes_mid_units": one.yes_mid_units}
        row |= {"account": self.account, "reason": one.reason, "booked_ms": wall_ms(), "seq": one.seq}
        if not insert_once(db, schema.FILLS, row):
            return
        if not is_own_booking(fill.fill_id):
            db.execute(_FILLED, {"this": fill.order_id, "more": fill.shares_micro})
            self._note_states(db, [fill])
        self._know(db, fill.market_id, market)
        self._described.pop((self.account, fill.market_id), None)

    def _note_states(self, db: Connection, fills: Sequence[Fill]) -> None:
        own = {"account": self.account, "wall_ms": wall_ms()}
        rows = [own | {"fill_id": one.fill_id, "order_id": one.order_id, "state": one.state.value} for one in fills]
        put(db, schema.FILL_STATES, *rows)

    def note_fill_states(self, fills: Sequence[Fill]) -> None:
        """Write how far the settlement of fills has come, in one transaction."""
        with self._mutex, self._engine.begin() as db:
            self._note_states(db, fills)

    def fill_states(self) -> dict[tuple[str, str], FillState]:
        """(fill id, order id) -> state, of fills that were ever not confirmed."""
        rows = self._rows(schema.FILL_STATES, "wall_ms")
        return {(row["fill_id"], row["order_id"]): FillState(row["state"]) for row in rows}

    def book_decided(self, market_id: str, payout_yes_micro: int, ts_s: int) -> bool:
        """Write once that a market is decided and its payout is still to come; False if it was there already."""
        row = {"account": self.account, "market_id": market_id, "payout_yes_micro": payout_yes_micro}
        with self._mutex, self._engine.begin() as db:
            return insert_once(db, schema.DECIDED, row | {"ts_s": ts_s, "seq": time.time_ns()})

    def decided(self) -> list[Decided]:
        """Markets that were decided before their payout came in, in the order of booking."""
        rows = self._rows(schema.DECIDED, "seq")
        return [Decided(row["market_id"], row["payout_yes_micro"], row["seq"]) for row in rows]

    def book_flow(self, flow: CashFlow) -> bool:
        """Write cash that no trade explains, once; False if it was there already."""
        row = {"account": self.account, "flow_id": flow.flow_id, "kind": flow.kind, "cash_micro": flow.cash_micro}
        with self._mutex, self._engine.begin() as db:
            return insert_once(db, schema.CASH_FLOWS, row | {"ts_s": flow.ts_s, "booked_ms": wall_ms()})

    def flows(self) -> list[CashFlow]:
        """Cash that no trade explains, in the order of booking."""
        rows = self._rows(schema.CASH_FLOWS, "booked_ms")
        return [CashFlow(row["flow_id"], row["kind"], row["cash_micro"], row["ts_s"]) for row in rows]

    def requests(self, kinds: Sequence[str]) -> list[Request]:
        """Requests of these kinds that are not done, oldest first."""
        return self._requests(_asking(done=False), kinds=list(kinds))

    def asks(self, kinds: Sequence[str]) -> bool:
        """Whether a request of these kinds is not done. Asked before every order between two bars, so it is short."""
        with self._mutex, self._engine.connect() as db:
            return any(kind in kinds for (kind,) in driver_rows(db, _WAITING, {"of_account": self.account}))

    def newest_requests(self, limit: int) -> list[Request]:
        """Requests of all kinds, newest first."""
        return self._requests(_asking(done=None), most=limit)

    def last_request(self, kinds: Sequence[str]) -> Request | None:
        """The newest request of these kinds that is done; None without one."""
        return next(iter(self._requests(_asking(done=True), kinds=list(kinds), most=1)), None)

    def _requests(self, query: Select[Any], **parameters: Any) -> list[Request]:
        with self._mutex, self._engine.connect() as db:
            rows = [row._mapping for row in db.execute(query, {"of_account": self.account} | parameters)]
        return [Request(row["id"], *(row[name] for name in Request._fields[1:])) for row in rows]

    def add_request(self, kind: str, asked_by: str, argument: str = "") -> int:
        """Write what somebody asks of this account; its number."""
        row = {"account": self.account, "kind": kind, "asked_by": asked_by.strip()[:80], "asked_ms": wall_ms()}
        with self._mutex, self._engine.begin() as db:
            key = db.execute(
                insert(schema.REQUESTS).values(row | {"text": "", "argument": argument})
            ).inserted_primary_key
        return int(key[0]) if key else 0

    def finish_request(self, request_id: int, text: str) -> None:
        """Write what a request has changed."""
        table = schema.REQUESTS
        with self._mutex, self._engine.begin() as db:
            db.execute(update(table).where(table.c.id == request_id).values(done_ms=wall_ms(), text=text))

    def book_settlement(self, market_id: str, payout_yes_micro: int, cash_micro: int, ts_s: int) -> bool:
        """Write a resolved market once; False if it was there already."""
        row = {"account": self.account, "market_id": market_id, "payout_yes_micro": payout_yes_micro}
        row |= {"cash_micro": cash_micro, "ts_s": ts_s, "booked_ms": wall_ms(), "seq": time.time_ns()}
        with self._mutex, self._engine.begin() as db:
            return insert_once(db, schema.SETTLEMENTS, row)

    def fills(self) -> list[BookedFill]:
        """Everything booked, in the order of booking."""
        rows = self._rows(schema.FILLS, "seq")
        return [BookedFill(_fill(row), row["yes_mid_units"], row["reason"], row["seq"]) for row in rows]

    def fills_after(self, seq: int) -> list[BookedFill]:
        """What was booked after a place in the order of booking, in that order."""
        table = schema.FILLS
        where = (table.c.account == self.account) & (table.c.seq > seq)
        with self._mutex, self._engine.connect() as db:
            rows = [dict(row._mapping) for row in db.execute(select(table).where(where).order_by(table.c.seq))]
        return [BookedFill(_fill(row), row["yes_mid_units"], row["reason"], row["seq"]) for row in rows]

    def fills_of(self, market_id: str) -> list[BookedFill]:
        """What was booked in a market, in the order of booking."""
        return [one for one in self.fills() if one.fill.market_id == market_id]

    def orders_of(self, market_id: str, limit: int = 200) -> list[OrderRow]:
        """The newest orders in a market, newest first."""
        table = schema.ORDERS
        where = (table.c.account == self.account) & (table.c.market_id == market_id)
        query = select(table).where(where).order_by(table.c.created_ms.desc()).limit(limit)
        with self._mutex, self._engine.connect() as db:
            return [_order(dict(row._mapping)) for row in db.execute(query)]

    def last_fill_seq(self) -> int:
        """The place of the newest fill in the order of booking; 0 before the first."""
        table = schema.FILLS
        query = select(func.max(table.c.seq)).where(table.c.account == self.account)
        with self._mutex, self._engine.connect() as db:
            return int(db.execute(query).scalar() or 0)

    def newest_fills(self, limit: int) -> list[Fill]:
        """The newest fills, newest first."""
        return [_fill(row) for row in self._rows(schema.FILLS, "seq", newest=limit)]

    def settlements(self) -> list[Settlement]:
        """Resolved markets, in the order of booking."""
        rows = self._rows(schema.SETTLEMENTS, "seq")
        return [Settlement(**{name: row[name] for name in Settlement._fields}) for row in rows]

    def markets(self) -> dict[str, tuple[str, int]]:
        """Market id -> static data and best mid of the held token, of all markets ever traded."""
        rows = self._rows(schema.MARKETS, "market_id")
        return {row["market_id"]: (row["market"], row["peak_units"]) for row in rows}

    # Bars, facts and events

    def bar(
        self,
        row: Mapping[str, Any],
        decisions: Sequence[Mapping[str, Any]],
        peaks: Mapping[str, int],
        facts: Mapping[str, int],
        refused: Mapping[str, int] | None = None,
    ) -> None:
        """One bar in one transaction: inputs, best mids of held positions, durable numbers, refusals by reason.

        `decisions` are rows of the table of decisions; a bar whose inputs hold them already needs none. It survives a
        loss of power from the next transaction on: that of the bar's first order, which is sent only then, or the last
        one of the turn.
        """
        own = {"account": self.account}
        with self._mutex, with_the_next(self._engine) as db:
            fresh = self._decided(db, schema.BARS, row, refused or {})
            if decisions and fresh:
                db.execute(insert(schema.DECISIONS), [own | dict(decision) for decision in decisions])
            for market_id, peak_units in peaks.items():
                set_columns(db, schema.MARKETS, self.account, ("market_id", market_id), {"peak_units": peak_units})
            put(db, schema.FACTS, *(own | {"name": name, "value": value} for name, value in facts.items()))

    def between(self, row: Mapping[str, Any], refused: Mapping[str, int]) -> None:
        """One turn between two bars, after its orders: its inputs with the decisions, refusals by reason. `conclude`
        writes it. A crash before that loses this record of what was seen, and no order: each is written before it is
        sent."""
        self._between.append((row, refused))

    def _write_between(self, db: Connection) -> None:
        for row, refused in self._between:
            self._decided(db, schema.BETWEEN, row, refused)

    def _decided(self, db: Connection, table: Table, row: Mapping[str, Any], refused: Mapping[str, int]) -> bool:
        own = {"account": self.account}
        if not insert_once(db, table, own | {"session_id": self.session_id, "mode": self._mode} | dict(row)):
            return False
        add(db, schema.REFUSALS, *(own | {"reason": reason, "count": count} for reason, count in refused.items()))
        return True

    def conclude(
        self, moves: Mapping[str, Mapping[str, Any]], day: int, counts: Mapping[tuple[str, str], int]
    ) -> dict[tuple[str, str], int]:
        """The end of a turn in one transaction: columns of its orders, and the counts of its bar, (step, reason) ->
        markets, added to those of its market day; the day's."""
        table, own = schema.FUNNEL, {"account": self.account, "day": day}
        rows = [own | {"step": step, "reason": why[:48], "count": count} for (step, why), count in counts.items()]
        query = select(table).where((table.c.account == self.account) & (table.c.day == day))
        with self._mutex, self._engine.begin() as db:
            self._write_between(db)
            self._move_all(db, moves)
            add(db, table, *rows)
            found = [row._mapping for row in db.execute(query)]
        self._between.clear()
        return {(row["step"], row["reason"]): row["count"] for row in found}

    def filled_among(self, order_ids: Sequence[str]) -> set[str]:
        """Those orders that have a fill."""
        table = schema.ORDERS
        query = select(table.c.order_id).where(table.c.order_id.in_(order_ids) & (table.c.filled_micro > 0))
        with self._mutex, self._engine.connect() as db:
            return {str(name) for name in db.execute(query).scalars()}

    def note_rules(self, bundle: str, document: str) -> bool:
        """Write the limits that this session decides with around a bundle, once; False if they were there already."""
        row = {"account": self.account, "session_id": self.session_id, "bundle": bundle}
        row |= {"wall_ms": wall_ms(), "document": document}
        with self._mutex, self._engine.begin() as db:
            return insert_once(db, schema.RULES, row)

    def prune(self, before_s: int) -> None:
        """Forget inputs and decisions of bars before a market time; equity, orders and fills stay."""
        decisions = schema.DECISIONS
        with self._mutex, self._engine.begin() as db:
            for table in (schema.BARS, schema.BETWEEN):
                old = (table.c.account == self.account) & (table.c.ts_s < before_s) & (func.length(table.c.inputs) > 0)
                db.execute(update(table).where(old).values(inputs=b""))
            where = (decisions.c.account == self.account) & (decisions.c.ts_s < before_s)
            db.execute(delete(decisions).where(where))

    def facts(self) -> dict[str, int]:
        """Durable numbers of the account."""
        return {row["name"]: int(row["value"]) for row in self._rows(schema.FACTS, "name")}

    def set_facts(self, facts: Mapping[str, int]) -> None:
        """Write durable numbers in one transaction."""
        rows = ({"account": self.account, "name": name, "value": value} for name, value in facts.items())
        with self._mutex, self._engine.begin() as db:
            put(db, schema.FACTS, *rows)

    def equity(self, limit: int) -> list[tuple[int, int]]:
        """(market time, equity) of the newest bars, oldest first."""
        table = schema.BARS
        query = select(table.c.ts_s, table.c.equity_micro).where(table.c.account == self.account)
        with self._mutex, self._engine.connect() as db:
            rows = db.execute(query.order_by(table.c.ts_s.desc()).limit(limit)).all()
        return [(int(ts), int(equity)) for ts, equity in reversed(rows)]

    def refusal_counts(self) -> dict[str, int]:
        """Refused decisions of the account by reason."""
        table = schema.DECISIONS
        where = (table.c.account == self.account) & table.c.refusal.is_not(None)
        query = select(table.c.refusal, func.count()).where(where).group_by(table.c.refusal)
        with self._mutex, self._engine.connect() as db:
            found = Counter({str(reason): int(n) for reason, n in db.execute(query)})
        for row in self._rows(schema.REFUSALS, "reason"):
            found[row["reason"]] += row["count"]
        return dict(found)

    def note(self, kind: str, text: str) -> None:
        """Write an event that a person may ask about."""
        row = {"account": self.account, "wall_ms": wall_ms(), "kind": kind, "text": text}
        with self._mutex, self._engine.begin() as db:
            db.execute(insert(schema.EVENTS).values(row))

    def events(self, limit: int) -> list[dict[str, Any]]:
        """Newest events, newest first."""
        return self._rows(schema.EVENTS, "id", newest=limit)

    def _rows(self, table: Table, order: str, newest: int | None = None) -> list[dict[str, Any]]:
        """Rows of the account by a column; so many of the newest, the newest first, where `newest` is given."""
        query = selecting(table, order, newest=newest is not None, limited=newest is not None)
        with self._mutex, self._engine.connect() as db:
            return [dict(row._mapping) for row in db.execute(query, {"of_account": self.account, "most": newest})]


_REASON = select(schema.ORDERS.c.reason).where(schema.ORDERS.c.order_id == bindparam("this"))
_COUNTS = (
    select(schema.ORDERS.c.state, func.count(), func.count().filter(schema.ORDERS.c.filled_micro > 0))
    .where(schema.ORDERS.c.account == bindparam("of_account"))
    .group_by(schema.ORDERS.c.state)
)
_FILLED = (
    update(schema.ORDERS)
    .where(schema.ORDERS.c.order_id == bindparam("this"))
    .values(filled_micro=schema.ORDERS.c.filled_micro + bindparam("more"))
)


_WAITING = select(schema.REQUESTS.c.kind).where(
    (schema.REQUESTS.c.account == bindparam("of_account")) & schema.REQUESTS.c.done_ms.is_(None)
)


@cache
def _asking(*, done: bool | None) -> Select[Any]:
    """A statement that gives requests of `kinds`: those that wait, oldest first, or the newest `most` that are done.
    With None the newest `most` of all kinds. It is asked at every bar, so it is built once."""
    table = schema.REQUESTS
    query = select(table).where(table.c.account == bindparam("of_account"))
    if done is not None:
        query = query.where(table.c.kind.in_(bindparam("kinds", expanding=True)))
        query = query.where(table.c.done_ms.is_not(None) if done else table.c.done_ms.is_(None))
    if done is False:
        return query.order_by(table.c.id)
    return query.order_by(table.c.id.desc()).limit(bindparam("most"))


_INTENT_COLUMNS = ("ts_s", "after_ms", "market_id", "token_id", "price_units", "shares_micro", "reason")
_FILL_COLUMNS = ("fill_id", "order_id", "market_id", "token_id", "price_units", "shares_micro", "fee_micro", "ts_s")


def _order(row: Mapping[str, Any]) -> OrderRow:
    values = {name: row[name] for name in OrderRow.__slots__}
    values |= {"outcome": Outcome(row["outcome"]), "side": Side(row["side"]), "state": OrderState(row["state"])}
    return OrderRow(**values)


def _fill(row: Mapping[str, Any]) -> Fill:
    values = {name: row[name] for name in _FILL_COLUMNS}
    return Fill(**values, outcome=Outcome(row["outcome"]), side=Side(row["side"]))


def decision_row(decision: Decision, armed: bool) -> dict[str, Any]:
    """A decision as a row of the journal."""
    refusal = decision.refusal
    return {
        "ts_s": decision.ts_s,
        "market_id": decision.market_id,
        "action": decision.wish,
        "direction": int(decision.direction),
        "fraction": decision.fraction,
        "refusal": refusal.reason.value if refusal else None,
        "detail": refusal.detail if refusal else "",
        "confidence": decision.confidence,
        "intent": intent_json(decision.intent),
        "other": intent_json(decision.other),
        "armed": armed,
    }
