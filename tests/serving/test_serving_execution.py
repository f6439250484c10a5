"""Exactly once: an order is journaled before it is sent, and never sent again."""

import ast
from pathlib import Path
from typing import Any

import pytest
from serving_desk import CASH, Desk, FakeVenue, make_intent, make_market
from sqlalchemy import event
from sqlalchemy.exc import OperationalError

from pipelines.core.domain import Side
from pipelines.core.errors import VenueForbidden, VenueUnavailable
from pipelines.core.orders import PlaceResult, PlaceStatus, SignedOrder
from pipelines.trading.order_states import OrderState
from serving.account import execution
from serving.account.execution import Execution

ROOT = Path(__file__).parents[2]


class Crash(BaseException):
    """A kill -9: nothing of ours runs after it."""


def test_execution_is_the_only_caller_of_place() -> None:
    """One module of the whole program calls `gateway.place`."""
    callers = set()
    for folder in ("serving", "pipelines", "flows", "simulator"):
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "place":
                    callers.add((path.relative_to(ROOT).as_posix(), ast.unparse(node.func.value)))

    assert {("serving/account/execution.py", "self._gateway")} == {c for c in callers if "gateway" in c[1].lower()}


def test_an_order_is_in_the_journal_when_it_is_sent(desk: Desk) -> None:
    """The venue never sees an order that the journal does not know."""
    seen: list[OrderState] = []
    original = desk.venue.place

    def place(order: SignedOrder):  # type: ignore[no-untyped-def]
        seen.extend(row.state for row in desk.journal.orders() if row.order_id == order.order_id)
        return original(order)

    desk.venue.place = place  # type: ignore[method-assign]

    desk.execution.submit(make_intent(make_market()))

    assert seen == [OrderState.PREPARED]


def test_a_matched_order_is_booked_once(desk: Desk) -> None:
    """However often the venue reports a trade, cash and shares change once, to the base unit."""
    desk.execution.submit(make_intent(make_market()))

    counts = [desk.execution.sync() for _ in range(3)]

    assert counts == [1, 0, 0]
    assert CASH - 5_200_000 - 100 == desk.accounting.cash_micro == desk.venue.cash
    assert {make_market().token_yes: 10_000_000} == desk.accounting.tokens()
    assert desk.execution.pending == []
    assert [row.state for row in desk.journal.orders()] == [OrderState.FILLED]


def test_a_refused_order_is_final(desk: Desk) -> None:
    """A proven refusal leaves nothing pending and nothing booked."""
    desk.venue.answers = [PlaceStatus.REJECTED]

    sent = desk.execution.submit(make_intent(make_market()))

    assert OrderState.REJECTED is sent.order.state
    assert desk.execution.pending == []
    assert desk.accounting.cash_micro == CASH


def test_an_unknown_answer_reserves_cash_until_it_is_proven(desk: Desk) -> None:
    """An order without an answer keeps its money reserved, with the fee of a known market, and is not sent again."""
    desk.venue.answers = [PlaceStatus.UNKNOWN]

    desk.execution.submit(make_intent(make_market()))
    desk.execution.sync()

    market = make_market()
    assert desk.execution.open_buys({market.market_id: market}) == {market.market_id: 5_200_000 + 207_989}
    assert desk.execution.open_buys({}) == {market.market_id: 5_200_000}
    assert len(desk.venue.sent) == 1
    assert [row.state for row in desk.execution.pending] == [OrderState.UNKNOWN]


@pytest.mark.parametrize(
    "error", [TypeError("'int' object is not iterable"), KeyError("status"), VenueUnavailable("?")]
)
def test_an_answer_that_breaks_its_reader_leaves_an_order_to_look_for(desk: Desk, error: Exception) -> None:
    """Once an order may be on its way nothing forgets it: it keeps its market busy until the venue's lists tell."""
    original = desk.venue.place

    def place(order: SignedOrder):  # type: ignore[no-untyped-def]
        original(order)
        raise error

    desk.venue.place = place  # type: ignore[method-assign]
    sent = desk.execution.submit(make_intent(make_market()))

    assert sent.order.state is OrderState.UNKNOWN
    assert desk.execution.busy(make_market().market_id)
    assert desk.execution.sync() == 1
    assert not desk.execution.busy(make_market().market_id)


def test_an_unknown_order_that_traded_is_found_by_its_hash(desk: Desk) -> None:
    """A lost answer to a matched order is resolved by the trade that carries the order's hash."""
    desk.venue.answers, desk.venue.fills_unknown = [PlaceStatus.UNKNOWN], True

    desk.execution.submit(make_intent(make_market()))
    desk.execution.sync()

    assert desk.venue.cash == desk.accounting.cash_micro
    assert desk.execution.pending == []
    assert len(desk.venue.sent) == 1


def test_an_order_that_never_arrived_is_given_up_after_patience(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the venue neither lists nor has traded for long enough never arrived; its cash is free again."""
    desk.venue.answers = [PlaceStatus.UNKNOWN]
    desk.execution.submit(make_intent(make_market()))
    monkeypatch.setattr(execution, "PATIENCE_MS", -1)

    desk.execution.sync()

    assert desk.execution.open_buys({}) == {}
    assert [row.state for row in desk.journal.orders()] == [OrderState.REJECTED]


def test_a_resting_order_is_cancelled_after_its_time(desk: Desk) -> None:
    """A rest that is older than its time to live is cancelled, a younger one stays."""
    desk.venue.rests = True
    desk.execution.submit(make_intent(make_market(1), ts_s=1_000))
    desk.execution.submit(make_intent(make_market(2), ts_s=1_060))
    desk.execution.sync()

    cancelled = desk.execution.cancel_expired(before_s=1_060)
    desk.execution.sync()

    assert cancelled == 1
    assert [row.ts_s for row in desk.execution.pending] == [1_060]
    assert {OrderState.CANCELLED, OrderState.LIVE} == {row.state for row in desk.journal.orders()}


@pytest.mark.parametrize("moment", ["before_intend", "before_place", "after_place", "before_answer_is_written"])
def test_a_crash_at_any_step_never_doubles_an_order(journal_url: str, moment: str) -> None:
    """Killed at any step and started again: no second order is sent, and the ledger equals the venue."""
    venue = FakeVenue()
    first = Desk.open(venue, journal_url)
    _arm(first, moment)

    with pytest.raises(Crash):
        first.execution.submit(make_intent(make_market()))
    first.journal.close()
    venue.__dict__.pop("place", None)
    again = Desk.open(venue, journal_url, knows_markets=False)
    again.execution.sync()

    assert len(venue.sent) == (1 if moment in ("after_place", "before_answer_is_written") else 0)
    assert venue.cash == again.accounting.cash_micro
    assert venue.shares_micro(make_market().token_yes) == again.accounting.tokens().get(make_market().token_yes, 0)
    again.journal.close()


def _arm(desk: Desk, moment: str) -> None:
    def crash(*_: object, **__: object) -> None:
        raise Crash

    original = desk.venue.place

    def place_then_crash(order: SignedOrder) -> None:
        original(order)
        raise Crash

    if moment == "before_intend":
        desk.journal.intend = crash  # type: ignore[method-assign]
    elif moment == "before_place":
        desk.venue.place = crash  # type: ignore[method-assign, assignment]
    elif moment == "after_place":
        desk.venue.place = place_then_crash  # type: ignore[method-assign, assignment]
    else:
        desk.journal.move = crash  # type: ignore[method-assign]


@pytest.mark.parametrize("side", [Side.BUY, Side.SELL])
def test_a_trade_that_failed_to_settle_is_taken_back(desk: Desk, side: Side) -> None:
    """A matched trade that fails restores cash, shares and fees to the base unit, once, and only if it was booked."""
    desk.execution.submit(make_intent(make_market(), shares=20))
    desk.execution.sync()
    before = (desk.accounting.cash_micro, desk.accounting.tokens(), desk.accounting.fees_micro)
    desk.execution.submit(make_intent(make_market(), shares=7, side=side, ts_s=1_060))
    failed = desk.venue.done.pop()
    desk.execution.hear([failed], "failed")
    assert before == (desk.accounting.cash_micro, desk.accounting.tokens(), desk.accounting.fees_micro)

    desk.execution.hear([failed], "matched")
    for _ in range(2):
        desk.execution.hear([failed], "failed")

    assert before == (desk.accounting.cash_micro, desk.accounting.tokens(), desk.accounting.fees_micro)


def test_a_failure_that_nobody_told_is_found_in_the_venues_list(desk: Desk) -> None:
    """A booked fill that the venue no longer lists is taken back; those that it lists stay."""
    desk.execution.submit(make_intent(make_market(), shares=20))
    desk.execution.submit(make_intent(make_market(), shares=7, ts_s=1_060))
    desk.execution.sync()
    failed = desk.venue.done.pop()
    desk.venue.cash -= failed.cash_micro

    taken_back = [desk.execution.take_back_missing() for _ in range(2)]

    assert taken_back == [1, 0]
    assert desk.accounting.cash_micro == desk.venue.cash
    assert desk.accounting.tokens() == {make_market().token_yes: 20_000_000}


def test_the_ledger_is_rebuilt_from_the_journal(journal_url: str) -> None:
    """A restart knows cash, positions, entry, best mid and closed trades as they were."""
    venue, market = FakeVenue(), make_market()
    first = Desk.open(venue, journal_url)
    first.execution.submit(make_intent(market, shares=20))
    first.execution.sync()
    peaks, facts = first.accounting.mark({market.market_id: 6_000}, 1_060)
    first.journal.bar(_bar_row(1_060), [], peaks, facts)
    first.execution.submit(make_intent(market, shares=5, side=Side.SELL, ts_s=1_120))
    first.execution.sync()
    before = (
        first.accounting.cash_micro,
        first.accounting.positions,
        [c.pnl for c in first.accounting.closed],
        first.accounting.peak_micro,
    )
    first.journal.close()

    again = Desk.open(venue, journal_url)

    after = (
        again.accounting.cash_micro,
        again.accounting.positions,
        [c.pnl for c in again.accounting.closed],
        again.accounting.peak_micro,
    )
    assert before == after
    assert isinstance(again.execution, Execution)
    again.journal.close()


def _bar_row(ts_s: int) -> dict[str, object]:
    return {
        "ts_s": ts_s, "bundle": "b", "cash_micro": 0, "equity_micro": 0, "took_ms": 1.0, "inputs": b"",
    }  # fmt: skip


def test_a_geographic_block_stops_trading(desk: Desk) -> None:
    """A 403 on an order is journaled as refused and ends trading; it is never tried again."""

    def place(order: SignedOrder) -> PlaceResult:
        return PlaceResult(PlaceStatus.REJECTED, order.order_id, reason="403 Trading restricted in your region")

    desk.venue.place = place  # type: ignore[method-assign]

    with pytest.raises(VenueForbidden, match="Trading restricted in your region; trading stops"):
        desk.execution.submit(make_intent(make_market()))

    assert [row.state for row in desk.journal.orders()] == [OrderState.REJECTED]
    assert desk.execution.pending == []


@pytest.mark.parametrize("lost", ["move", "intend"])
def test_a_disk_that_fails_under_the_journal_doubles_no_order(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, lost: str
) -> None:
    """An order that cannot be journaled is not sent; one whose answer cannot be journaled keeps its market busy, and
    its fill is booked once when the disk has room again."""
    with monkeypatch.context() as full:
        full.setattr(desk.journal, lost, _full)
        with pytest.raises(OperationalError):
            desk.execution.submit(make_intent(make_market()))

    assert len(desk.venue.sent) == (lost == "move")
    assert desk.execution.busy(make_market().market_id) is (lost == "move")
    assert [desk.execution.sync() for _ in range(2)] == [int(lost == "move"), 0]
    assert desk.execution.pending == []
    assert desk.accounting.cash_micro == desk.venue.cash


def test_a_full_disk_leaves_a_journal_that_goes_on(desk: Desk) -> None:
    """SQLite's own refusal: nothing is sent while there is no room, and the next order after it goes out."""
    engine, most = desk.journal._engine, [1]

    def limit(connection: Any, *_: object) -> None:
        connection.execute(f"pragma max_page_count={most[0]}")  # what the file has already stays

    if engine.dialect.name != "sqlite":
        pytest.skip("a limit of pages is SQLite's")
    event.listen(engine, "checkout", limit)
    with pytest.raises(OperationalError, match="full"):
        for _ in range(400):
            desk.execution.submit(make_intent(make_market()))
            desk.execution.sync()
    sent, most[0] = len(desk.venue.sent), 10**6
    desk.execution.sync()
    desk.execution.submit(make_intent(make_market()))
    desk.execution.sync()

    assert len(desk.venue.sent) == sent + 1
    assert desk.accounting.cash_micro == desk.venue.cash


def _full(*_: object, **__: object) -> None:
    raise OperationalError("INSERT", {}, Exception("database or disk is full"))


def test_a_list_that_is_gone_keeps_no_market_busy(desk: Desk) -> None:
    """An order that was answered as matched, and whose fills the stream has told, is over without the venue's lists;
    one whose fills are not told yet, or that rests, is not."""
    first = desk.execution.submit(make_intent(make_market())).order
    fills = list(desk.venue.done)
    desk.venue.open_orders = _gone  # type: ignore[method-assign]

    with pytest.raises(VenueUnavailable):
        desk.execution.sync()
    assert desk.execution.busy(first.market_id)
    desk.execution.hear(fills, "matched")
    desk.venue.rests = True
    resting = desk.execution.submit(make_intent(make_market())).order
    with pytest.raises(VenueUnavailable):
        desk.execution.sync()

    assert [row.order_id for row in desk.execution.pending] == [resting.order_id]
    assert {row.order_id: row.state for row in desk.journal.orders()}[first.order_id] is OrderState.FILLED


def _gone() -> list[object]:
    raise VenueUnavailable("410: this endpoint has been retired")
