"""From an intent to fills, exactly once. The only caller of `gateway.place`.

An order is journaled under its hash before it is sent. An answer that proves nothing leaves it UNKNOWN: it is looked
up by its hash and never sent again. All methods block and are called from one thread; orders themselves are on their
way in threads of their own (`in_flight`), so that none waits for the answer to another. Until `hear_answers` takes its
answer, nothing but a fill changes what is known of such an order.
"""

import math
import time
from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from pipelines.core import log
from pipelines.core.domain import Fill, FillState, Market, Side
from pipelines.core.errors import DataError, VenueError, VenueForbidden
from pipelines.core.money import notional_micro
from pipelines.core.orders import OpenOrder, OrderGateway, OrderIntent, OrderType, PlaceResult, PlaceStatus, SignedOrder
from pipelines.trading.order_states import FINAL, OrderState, after_answer, after_fills
from pipelines.trading.risk import reserve_micro
from serving.account.bookings import Undone, key_of, reversal
from serving.account.breaker import Breaker
from serving.account.in_flight import Flight, InFlight, Run, Sent, at_once
from serving.account.journal import PENDING, Journal, OrderRow, is_own_booking, wall_ms

PATIENCE_MS = 15_000
"""Wall time after which an order that the venue neither lists nor has traded is taken for never arrived."""

LAST_PATIENCE_MS = 60_000
"""Wall time after which an order counts as over although the venue's balance of its token is not what its fills say.
The books differ from the account then, and nothing is bought until they agree."""

READ_EVERY_S = 15.0
"""Wall time after which the lists are read before a turn although answers and stream have told everything: so a list
that is gone for good stops purchases at the next bar of a minute."""

LOOK_AGAIN_S = 1.0
"""Wall time between two looks for a trade that the venue does not list."""

OVERLAP_S = 180
"""Trades are read again this far back: the venue may index them late, and booking is idempotent. While books and venue
differ they are read from where the two were last equal."""

SURE_AFTER_S = 30.0
"""Wall time after which equal books prove that nothing before is missing: a match is credited some seconds later."""

_log = log.get("execution")


class Execution:
    """Orders of one account. `book` applies a fill to ledger and journal, once; `describe` gives a market as JSON;
    `held` gives the base units of a token in the books; `book_known` books what is plain among several fills with
    one write, and gives those that it booked and the others; `run` begins a blocking call elsewhere; `answered` is told
    of every order that was answered."""

    def __init__(
        self,
        gateway: OrderGateway,
        journal: Journal,
        book: Callable[[Fill], bool],
        describe: Callable[[str], str],
        held: Callable[[str], int],
        trades_from_s: int = 0,
        breaker: Breaker | None = None,
        book_known: Callable[[Sequence[Fill]], tuple[Sequence[Fill], Sequence[Fill]]] = lambda fills: ((), fills),
        run: Run = at_once,
        answered: Callable[[Sent], None] = lambda _: None,
    ) -> None:
        self._gateway = gateway
        self._in_flight = InFlight(self._placed, run)
        self._tell_answered = answered
        self._breaker = breaker
        self._journal = journal
        self._book = book
        self._describe = describe
        self._held = held
        self._book_known = book_known
        self._pending = {row.order_id: row for row in journal.orders(PENDING)}
        self._expected: dict[str, int] = {}
        self._first_trade_s = trades_from_s
        self._newest_listed_s = 0
        self._newest_trade_s = trades_from_s
        self._differs = False
        self._sure_s = self._soon_sure_s = trades_from_s
        self._equal_at = time.monotonic()
        self._stream_up, self._blind, self._streamed = True, False, False
        self._missed: dict[str, int] = {}
        self._said_gone: set[str] = set()
        self._taking: set[str] = set()
        """Working orders that we signed to take and never to rest."""
        self._read_at = -math.inf
        self._ours: set[str] = set(self._pending)
        """Ids of orders that are known to be in the journal, of those that were ever seen listed."""
        self.foreign: dict[str, OpenOrder] = {}
        """Orders of this account that rest at the venue and are not ours. They are never cancelled here."""
        self.heard_foreign = False
        """Whether the stream told of an order that is not ours since the lists were read."""
        self._moves: dict[str, dict[str, Any]] | None = None

    @property
    def pending(self) -> list[OrderRow]:
        """Orders with which money may still move, oldest first."""
        return sorted(self._pending.values(), key=lambda row: row.created_ms)

    def open_buys(self, markets: Mapping[str, Market]) -> dict[str, int]:
        """Market id -> pUSD base units that working buys may still cost, with the fee where `markets` has it. Buys of
        somebody else on this account count too: their shares would be held by it."""
        ours = [(row.market_id, row.side, row.rest_micro, row.price_units) for row in self._pending.values()]
        others = [
            (one.market_id, one.side, one.shares_micro - one.matched_micro, one.price_units)
            for one in self.foreign.values()
        ]
        reserved: dict[str, int] = {}
        for market_id, side, *left in [*ours, *others]:
            if side is Side.BUY:
                market = markets.get(market_id)
                cost = reserve_micro(market, *left) if market else notional_micro(*left)
                reserved[market_id] = reserved.get(market_id, 0) + cost
        return reserved

    def busy(self, market_id: str) -> bool:
        """Whether an order in this market is still working."""
        return any(row.market_id == market_id for row in list(self._pending.values()))

    def send(self, intent: OrderIntent) -> Flight:
        """Sign, journal, and send once, without waiting for the answer: `hear_answers` takes it.

        Raises:
            BreakerTripped: if too many orders were sent; this one is not.
        """
        if self._breaker is not None:
            self._breaker.count(intent)
        began_at = time.perf_counter()
        # The order's hash is known before it is sent. Journaled first, it can be looked up after a crash at any point.
        signed = self._gateway.prepare(intent)
        # Remembered first too: whatever fails from here on (a full disk under the answer), its market stays busy.
        self._pending[signed.order_id] = self._journal.intend(signed, self._describe(intent.market_id))
        if intent.order_type is OrderType.FAK:
            self._taking.add(signed.order_id)
        return self._in_flight.begin(signed, began_at)

    def submit(self, intent: OrderIntent) -> Sent:
        """`send`, and wait for the answer.

        Raises:
            VenueForbidden: as `hear_answers`.
            BreakerTripped: if too many orders were sent; this one is not.
        """
        flight = self.send(intent)
        self._in_flight.wait(flight.order.order_id)
        self.hear_answers()
        assert flight.sent is not None
        return flight.sent

    def hear_answers(self) -> None:
        """Journal the answers that have come to orders on their way.

        Raises:
            VenueForbidden: if the venue blocks this region or account; all answers are journaled first.
        """
        forbidden = ""
        while (flight := self._in_flight.take_answered()) is not None:
            result, answered_at = flight.answer.result()
            flight.sent = self._answered(flight.order, result, (answered_at - flight.began_at) * 1_000)
            self._tell_answered(flight.sent)
            # A 403 is a geographic or account block. Trying again would be an attempt to get around it.
            if flight.sent.order.state is OrderState.REJECTED and result.reason.startswith("403"):
                forbidden = result.reason[:200]
        if self._said_gone:
            self._finish_gone()
        if forbidden:
            raise VenueForbidden(f"the venue refused an order with {forbidden}; trading stops, nothing evades it")

    def _answered(self, signed: SignedOrder, result: PlaceResult, latency_ms: float) -> Sent:
        intent, order_id = signed.intent, signed.order_id
        state = after_answer(result, intent.shares_micro)
        status = result.venue_status[:64]
        self._move(order_id, state, venue_status=status, text=result.reason, latency_ms=latency_ms)
        row = replace(
            self._pending[order_id],
            state=state,
            venue_status=result.venue_status,
            text=result.reason,
            latency_ms=latency_ms,
        )
        if state is OrderState.REJECTED:
            self._forget(order_id)
        else:
            self._pending[order_id] = row
            # The stream may have told of a match before the answer came.
            self._expected[order_id] = max(self._expected.get(order_id, 0), result.filled_shares_micro)
        _log.info(
            "order",
            side=intent.side.value,
            outcome=intent.outcome.value,
            shares=intent.shares_micro / 1e6,
            price=intent.price_units / 1e4,
            answer=result.status.value,
            venue=result.venue_status or result.reason[:120],
            ms=round(latency_ms, 1),
        )
        return Sent(row, latency_ms)

    def _placed(self, signed: SignedOrder) -> PlaceResult:
        """What the venue answered. Whatever goes wrong once the order may be on its way, it is UNKNOWN and looked for:
        an order that only the journal remembers would be sent again in its market."""
        try:
            return self._gateway.place(signed)
        except VenueError as error:
            return PlaceResult(PlaceStatus.UNKNOWN, signed.order_id, reason=str(error)[:300])
        except Exception as error:
            _log.exception("the answer to an order could not be read", order=signed.order_id)
            return PlaceResult(
                PlaceStatus.UNKNOWN, signed.order_id, reason=f"no answer that can be read: {error!r}"[:300]
            )

    def learn(self) -> int:
        """What became of the pending orders, as `sync`. The venue is not asked for takes: they cannot rest, their
        answer states what they took, and the stream brings their fills; the next bar asks where it did not. Orders that
        rest, or were not answered, are looked up, and all are while the stream is down."""
        self.hear_answers()
        self._finish_answered(self._taking)
        told = self._streamed and not self._blind and all(self._took(row) for row in self._answered_ones())
        return 0 if told else self.sync()

    def _answered_ones(self) -> list[OrderRow]:
        """Pending orders that are not on their way: what the lists say of them counts."""
        return [row for row in self._pending.values() if row.order_id not in self._in_flight]

    @property
    def lists_are_due(self) -> bool:
        """Whether the venue's lists have to be read before the next turn: something works, somebody else has traded,
        or they were not read for `READ_EVERY_S`."""
        unread_s = time.monotonic() - self._read_at
        return bool(self._pending) or self.heard_foreign or unread_s > READ_EVERY_S

    def _took(self, row: OrderRow) -> bool:
        stated = self._expected.get(row.order_id, 0)
        return row.order_id in self._taking and row.venue_status.lower() == "matched" and stated > 0

    def sync(self) -> int:
        """Read open orders and trades, book fills, settle the state of every pending order; number of new fills.

        The open orders are read before the trades: an order that is no longer open has all its trades behind it.
        """
        self.hear_answers()
        answered = {row.order_id for row in self._answered_ones()}
        # In this order, see above: the other way round an order that fills between the reads would look cancelled.
        try:
            resting = {order.order_id: order for order in self._gateway.open_orders()}
        except VenueError:
            self._finish_answered(self._pending)
            raise
        self.foreign = {name: order for name, order in resting.items() if not self.is_ours(name)}
        self.heard_foreign = False
        fresh = self.read_trades()
        for row in [row for row in self._pending.values() if row.order_id in answered]:
            state, text = self._verdict(row, row.order_id in resting)
            if state is not row.state:
                self._move(row.order_id, state, **({"text": text} if text else {}))
            if state in FINAL and self._booked(row):
                self._forget(row.order_id)
            else:
                self._pending[row.order_id] = replace(row, state=state)
        self._blind = not self._stream_up
        self._read_at = time.monotonic()
        return fresh

    def is_ours(self, order_id: str) -> bool:
        """Whether the journal has an order: it is written there before it is sent."""
        if order_id in self._pending or order_id in self._ours:
            return True
        if self._journal.knows_order(order_id):
            self._ours.add(order_id)
            return True
        return False

    def _finish_answered(self, some: Container[str]) -> None:
        """Without the venue's lists: an order that was answered as matched takes and never rests, so it is over once
        the stream has told the fills that its answer stated. Its market must not wait for a route that is gone."""
        for row in self._answered_ones():
            stated = self._expected.get(row.order_id, 0)
            told = row.venue_status.lower() == "matched" and 0 < stated <= row.filled_micro
            if told and row.order_id in some:
                state = OrderState.CANCELLED if row.rest_micro else after_fills(row.filled_micro, row.shares_micro)
                self._move(row.order_id, state)
                self._forget(row.order_id)

    @contextmanager
    def together(self) -> Iterator[None]:
        """States of orders that are learnt inside wait for `taken_moves`, so that a turn writes them in one
        transaction; after an exception they are written at once. A crash before that loses nothing: an order that was
        journaled before it was sent is looked up."""
        self._moves = {} if self._moves is None else self._moves
        try:
            yield
        except BaseException:
            self._journal.move_all(self.taken_moves())
            raise

    def taken_moves(self) -> Mapping[str, Mapping[str, Any]]:
        """What `together` has put off: order id -> columns. From here on states are written at once again."""
        moves, self._moves = self._moves or {}, None
        return moves

    def _move(self, order_id: str, state: OrderState, **columns: Any) -> None:
        if self._moves is None:
            self._journal.move(order_id, state, **columns)
        else:
            self._moves[order_id] = {**self._moves.get(order_id, {}), "state": state.value, **columns}

    def _forget(self, order_id: str) -> None:
        self._pending.pop(order_id)
        self._expected.pop(order_id, None)
        self._missed.pop(order_id, None)
        self._said_gone.discard(order_id)
        self._taking.discard(order_id)

    def _booked(self, row: OrderRow) -> bool:
        """Whether every fill that answer and stream stated is booked, or did not happen after all."""
        if row.filled_micro >= self._expected.get(row.order_id, 0):
            return True
        # A match can fail, so that no trade follows; waiting for ever would block the market.
        return self._nothing_missing(row, wall_ms() - row.created_ms)

    def _nothing_missing(self, row: OrderRow, waited_ms: int) -> bool:
        """Whether an order that was waited for so long has no fill that is not booked, as the token's balance shows."""
        if waited_ms < PATIENCE_MS:
            return False
        if waited_ms >= LAST_PATIENCE_MS:
            return True
        self._gateway.refresh_balance(row.token_id)
        return self._gateway.shares_micro(row.token_id) == self._held(row.token_id)

    def _may_have_filled(self, row: OrderRow) -> bool:
        """Whether an order that is no longer listed may have traded without anybody telling. A list of trades may be
        late, cut or empty, and a stream that is up may be silent: only what was said of this order proves its end."""
        if row.order_id in self._said_gone or self._told(row):
            return False
        missed_ms = self._missed.setdefault(row.order_id, wall_ms())
        return not self._nothing_missing(row, wall_ms() - missed_ms)

    def _told(self, row: OrderRow) -> bool:
        """Whether the venue's answer to us says what became of an order, and nothing that we missed can change it. The
        answer to a cancel says that nothing rests any more, and not what had traded before."""
        if self._blind or row.order_id in self._missed:
            return False
        return not self._streamed or row.venue_status.lower() == "matched"

    def read_trades(self) -> int:
        """Book every trade of the account that is not booked yet; how many there were."""
        fresh = 0
        from_s = self._sure_s if self._differs else self._newest_trade_s
        listed = self._gateway.trades(max(self._first_trade_s, from_s - OVERLAP_S))
        for fill in [*listed, *self._gateway.failed()]:
            self._newest_trade_s = max(self._newest_trade_s, fill.ts_s)
            if self._booked_now(fill):
                fresh += 1
                self._count(fill)
        return fresh

    def compared(self, *, equal: bool) -> None:
        """Learn whether books and venue are equal now: how far back a trade can be missing."""
        self._differs, now = not equal, time.monotonic()
        if equal and now - self._equal_at >= SURE_AFTER_S:
            self._sure_s, self._soon_sure_s, self._equal_at = self._soon_sure_s, self._newest_trade_s, now

    def begin(self) -> None:
        """The books were brought to the venue's truth: no trade before this moment is missing."""
        self._sure_s = self._soon_sure_s = self._newest_trade_s
        self._differs, self._equal_at = False, time.monotonic()

    def _booked_now(self, fill: Fill) -> bool:
        """Book a fill; one that cannot be booked is noted and keeps no other from it."""
        try:
            return self._book(fill)
        except DataError as error:
            _log.error("a fill was left out", fill=fill.fill_id, error=str(error))
            self._journal.note("left out", f"fill {fill.fill_id}: {error}")
            return False

    def hear(self, fills: Iterable[Fill], status: str) -> None:
        """Fills that the user stream reports: booked once, and taken back when their settlement failed for good."""
        self.hear_all([(fills, status)])

    def hear_all(self, heard: Iterable[tuple[Iterable[Fill], str]]) -> None:
        """Fills of several messages with the status of each, as `hear`, in their order."""
        # Statuses that the venue adds later count as matched: a fill that is booked too early can be reversed.
        known = {one.value: one for one in FillState}
        told = [replace(fill, state=known.get(status, FillState.MATCHED)) for fills, status in heard for fill in fills]
        booked, rest = self._book_known(told)
        for fill in booked:
            self._count(fill)
        for fill in rest:
            if self._booked_now(fill):
                self._count(fill)
        self._finish_answered(self._taking)
        self._finish_gone()

    def _finish_gone(self) -> None:
        """Orders that the stream calls gone are over as soon as what had traded, as it said, is booked."""
        gone = [row for row in self._answered_ones() if row.order_id in self._said_gone]
        for row in sorted(gone, key=lambda row: row.order_id):
            if row.filled_micro >= self._expected.get(row.order_id, 0):
                state = OrderState.CANCELLED if row.rest_micro else after_fills(row.filled_micro, row.shares_micro)
                self._move(row.order_id, state)
                self._forget(row.order_id)

    def stream_is(self, *, up: bool) -> None:
        """Whether the stream of our own orders and trades is up: while it is down, and until the lists were read once
        more, nobody tells what became of an order that is no longer listed."""
        self._stream_up, self._streamed = up, True
        self._blind = self._blind or not up

    def hear_of(self, order_id: str, kind: str, matched_micro: int) -> None:
        """What the user stream says of an order: how much of it was matched, and whether it is gone."""
        if order_id in self._pending:
            self._expected[order_id] = max(self._expected.get(order_id, 0), matched_micro)
            if kind == "cancellation":
                self._said_gone.add(order_id)
                self._finish_gone()
        elif not self.is_ours(order_id):
            self.heard_foreign = True

    def take_back_missing(self) -> int:
        """Take back booked fills whose settlement failed while nobody told us; how many.

        A list proves little: it may be late or cut. A fill is taken back when two looks do not list it, the venue's
        balance of its token lacks exactly these shares, and newer trades are listed or the cash differs exactly too.
        Only for books that differ from the account for a while. What the venue lists later is booked again.
        """
        missing = self._missing()
        if missing:
            time.sleep(LOOK_AGAIN_S)
            # Two looks, because a page of the list may have been cut or late.
            missing = [fill for fill in self._missing() if fill in missing]
        if not missing:
            return 0
        held, cash_micro = self._account()
        by_token: dict[str, list[Fill]] = {}
        for fill in missing:
            by_token.setdefault(fill.token_id, []).append(fill)
        lacking = [
            fill
            for token, fills in by_token.items()
            if self._gateway.shares_micro(token) - held[token] == -sum(_signed(fill) for fill in fills)
            for fill in fills
        ]
        cash_gap = self._gateway.cash_micro() - cash_micro
        explained = cash_gap == -sum(fill.cash_micro for fill in lacking)
        proven = [fill for fill in lacking if explained or fill.ts_s < self._newest_listed_s]
        return sum(self._book(reversal(fill)) for fill in proven)

    def _missing(self) -> list[Fill]:
        """Fills of open markets that are booked and that the venue does not list now."""
        listing = self._gateway.trades(self._first_trade_s)
        listed = {key_of(fill) for fill in listing}
        self._newest_listed_s = max((fill.ts_s for fill in listing), default=0)
        settled = {one.market_id for one in self._journal.settlements()}
        booked = [one.fill for one in self._journal.fills() if one.fill.market_id not in settled]
        undone = Undone(key_of(fill) for fill in booked)
        trades = (fill for fill in booked if not is_own_booking(fill.fill_id))
        return [fill for fill in trades if key_of(fill) not in listed and not undone.now(key_of(fill))]

    def _account(self) -> tuple[Counter[str], int]:
        """Shares by token and cash, as the journal adds up."""
        facts, held = self._journal.facts(), Counter[str]()
        cash = facts.get("first_cash_micro", 0) + facts.get("adopted_micro", 0)
        cash += sum(settled.cash_micro for settled in self._journal.settlements())
        cash += sum(flow.cash_micro for flow in self._journal.flows())
        for fill in (one.fill for one in self._journal.fills()):
            held[fill.token_id] += _signed(fill)
            cash += fill.cash_micro
        return held, cash

    def _count(self, fill: Fill) -> None:
        row = self._pending.get(fill.order_id)
        if row is not None:
            self._pending[fill.order_id] = replace(row, filled_micro=row.filled_micro + fill.shares_micro)

    def _verdict(self, row: OrderRow, listed: bool) -> tuple[OrderState, str]:
        """The state that the venue's lists prove, and a word about it."""
        if row.rest_micro == 0 or listed:
            return after_fills(row.filled_micro, row.shares_micro), ""
        if row.state in FINAL:
            return row.state, ""
        # The venue's lists lag behind its answers. Until then absence proves nothing.
        age_ms = wall_ms() - row.created_ms
        if row.state in (OrderState.LIVE, OrderState.PARTLY_FILLED):
            waits = (
                (age_ms < PATIENCE_MS and row.venue_status == "delayed")
                or not self._booked(row)
                or self._may_have_filled(row)
            )
            return (row.state, "") if waits else (OrderState.CANCELLED, "")
        if row.filled_micro and not self._may_have_filled(row):
            return OrderState.CANCELLED, "the answer was lost; its trades were found by the order's hash"
        if row.filled_micro or not self._nothing_missing(row, age_ms):
            return OrderState.UNKNOWN, ""
        return OrderState.REJECTED, "never arrived: the venue lists neither the order nor a trade of it"

    def cancel_expired(self, before_s: int) -> int:
        """Cancel resting orders that were decided before a market time; how many were cancelled."""
        old = [row.order_id for row in self._pending.values() if row.state not in FINAL and row.ts_s < before_s]
        return self._cancel(old) if old else 0

    def cancel(self, order_ids: Sequence[str]) -> int:
        """Cancel these of our resting orders; how many were cancelled.

        Raises:
            VenueError: if the venue does not answer.
        """
        ours = [one for one in order_ids if one in self._pending]
        return self._cancel(ours) if ours else 0

    def cancel_buys(self) -> int:
        """Cancel purchases that rest; how many were cancelled."""
        buys = [row.order_id for row in self.pending if row.state not in FINAL and row.side is Side.BUY]
        return self._cancel(buys) if buys else 0

    def cancel_all(self, attempts: int = 3) -> int:
        """Cancel every order of ours that may rest; how many were cancelled. Tries again when the venue is away.

        Raises:
            VenueError: if the venue does not answer the last attempt either.
        """
        ours = [row.order_id for row in self.pending if row.state not in FINAL]
        for attempt in range(attempts if ours else 0):
            try:
                return self._cancel(ours)
            except VenueError:
                if attempt == attempts - 1:
                    raise
                time.sleep(0.3)
        return 0

    def _cancel(self, order_ids: Sequence[str]) -> int:
        # The venue cannot cancel what it has not answered yet.
        self._in_flight.wait(*order_ids)
        return len(self._gateway.cancel(order_ids).cancelled)

    def await_quiet(self, limit_s: float) -> bool:
        """Sync until no order is pending; False if the limit passes first."""
        deadline = time.monotonic() + limit_s
        while self._pending and time.monotonic() < deadline:
            self.sync()
            if self._pending:
                time.sleep(0.1)
        return not self._pending


def _signed(fill: Fill) -> int:
    return fill.shares_micro if fill.side is Side.BUY else -fill.shares_micro
