"""Between two closes: what moves the fair value is decided at once, under the limits of a bar, and a bar goes first."""

import itertools
import threading
from collections import Counter
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import MagicMock

import numpy as np
import pytest
from serving_desk import CASH, FakeVenue, make_intent, make_market
from sqlalchemy import text

from pipelines import decision_record
from pipelines.core import params
from pipelines.core.domain import Bar, Forecast, Quote
from pipelines.core.errors import DataError
from pipelines.core.settings import Settings
from pipelines.core.settlement import RuleKind, Settlement
from pipelines.decide import Inputs
from pipelines.history import lineage
from pipelines.history.journal_reader import JournalReader
from pipelines.parity import decisions
from pipelines.reference.prices import Price
from pipelines.replay import rules
from pipelines.trading.order_states import OrderState
from pipelines.trading.sizing import NO_SIGNALS
from serving.account import migrations
from serving.account.controls import Controls
from serving.account.database import connect, default_url
from serving.account.journal import Journal
from serving.account.trading_account import TradingAccount
from serving.dashboard.status import Status
from serving.loaded_model import Turn
from serving.market.feed import Followed
from serving.threads import Threads
from serving.turns.bar_turn import BarTurns
from serving.turns.between_bars import REST_S, BetweenTurns, ReferenceMoves

PARAMS = params.read(Path("params.yaml"))
CLOSE_S, LENGTH_S = 1_767_300_000, 60
EVEN = Quote(4_900, 5_100, 10**10, 10**10)
FLAT = Forecast(np.zeros(24), np.zeros(24), np.zeros(24), 0.5)
HASH = "ab" * 32


def settled(number, symbol="BTC"):
    """A market that settles on the price of an asset."""
    rule = Settlement(symbol=symbol, source="chainlink", kind=RuleKind.SPOT, start_s=CLOSE_S, end_s=CLOSE_S + 86_400)
    return replace(make_market(number), end_s=CLOSE_S + 86_400, settlement=rule)


class Room:
    """An account, two markets on Bitcoin and one on Ether that a bar has just decided, and the turns. The test moves
    `fair` and `market_ms`."""

    def __init__(self, url, folder, kind="temporal_arbitrage", between=True, venue=None):
        self.fair, self.wall_s = {}, 100.0
        self.waits, self.reduce_only, self.guarded = False, "", True
        self.venue = venue or FakeVenue()
        self.threads = Threads()
        self.account = TradingAccount(self.venue, Journal(url, "simulated"), PARAMS.risk, self.threads.begin_order)
        self.journal, self.url = self.account.journal, url
        execution = PARAMS.execution.model_copy(update={"between_bars_up_to_s": LENGTH_S if between else 0})
        made = rules.make(kind, PARAMS.model_copy(update={"execution": execution}), NO_SIGNALS, None, LENGTH_S)
        self.model = SimpleNamespace(
            rules=made, champion=SimpleNamespace(armed=True), bundle=SimpleNamespace(hash=HASH), policy_kind=kind
        )
        watch = SimpleNamespace(model=self.model, geometry=(LENGTH_S, 60), armed=True, sells=True)
        self.watch, self.kill = watch, folder / "kill"
        self.status = Status(Settings(var=folder), PARAMS)
        self.controls = Controls(self.journal, PARAMS, lambda: Path("params.yaml"), lambda _: None)
        self.turns = BarTurns(
            PARAMS, self.journal, watch, self.status, self.threads, self.kill, lambda: self.guarded,
            lambda: self.reduce_only, MagicMock(), self.controls, lambda _: None, lambda: None,
        )  # fmt: skip
        self.markets = [settled(1), settled(2), settled(3, "ETH")]
        self.followed = {}
        for one in self.markets:
            self.account.accounting.know(one)
            self.followed[one.market_id] = Followed(
                one, None, quote=EVEN, mid_units=5_000, confirmed_ms=CLOSE_S * 1_000
            )
        self.close(CLOSE_S)
        self.between = BetweenTurns(
            self.journal, watch, self.status, self.threads, self.kill, self.controls, self.turns
        )
        self.moves = ReferenceMoves(
            self.account,
            self,
            lambda one, _ms: self.fair.get(one.market_id, 0.5),
            lambda _one, _ms: 0.5,
            self.turns,
            watch,
            lambda: self.wall_s,
        )

    def close(self, ts_s):
        """A bar was decided: nothing was wanted."""
        self.closed, self.market_ms = (ts_s, 0.0), ts_s * 1_000
        inputs = tuple(
            Inputs(one, Bar(one.market_id, ts_s, 5_000, 0, 0, 200), EVEN, np.zeros(15), FLAT, 0.0, fair=0.5,
                   fair_before=0.5)
            for one in self.markets
        )  # fmt: skip
        view = self.turns.view(self.account, kill=False)
        self.turns.decided = (Turn(ts_s, inputs, (), 0.0, 0.0), view)
        row = {"ts_s": ts_s, "bundle": HASH, "cash_micro": CASH, "equity_micro": CASH, "took_ms": 1.0}
        self.journal.note_rules(HASH, decision_record.rules_document(self.model.rules))
        self.journal.bar(
            row | {"ledger_equals_venue": True, "inputs": self.turns.packer.pack(inputs, view)}, (), {}, {}
        )

    def hear(self, fair=0.6, after_ms=1_250, market=0, symbol="BTC"):
        """A price comes that gives a market another fair value."""
        self.market_ms = self.closed[0] * 1_000 + after_ms
        self.fair[self.markets[market].market_id] = fair
        self.moves.hear(Price(symbol, "chainlink", self.market_ms, self.market_ms, 1.0))

    async def take(self):
        """The turn that is due; None where none is."""
        if self.moves.due_in_s() is None or (moved := self.moves.taken()) is None:
            return None
        taken = await self.between.take(self.account, moved, lambda: self.waits)
        if taken is None:
            return None
        turn, finish = taken
        self.moves.decided(turn)
        await finish()
        return turn

    def orders(self):
        """(close, ms after it) of the orders in the journal."""
        with self.journal._engine.connect() as db:
            return [tuple(row) for row in db.execute(text("select ts_s, after_ms from orders order by created_ms"))]

    def read(self):
        """The journal as other programs read it."""
        return JournalReader(self.url, {}, 24.0, PARAMS)


@pytest.fixture
def room(tmp_path):
    """A bar was decided, and market time is at its close."""
    return Room(default_url(tmp_path), tmp_path)


async def test_a_price_that_moves_the_fair_value_is_an_order_before_the_bar_closes(room):
    """The market whose fair value moved is decided with what is known by now, and its order is sent and journaled."""
    room.hear()
    turn = await room.take()

    assert [one.market.market_id for one in turn.inputs] == [room.markets[0].market_id]
    assert (turn.ts_s, turn.after_ms, turn.inputs[0].fair) == (CLOSE_S, 1_250, 0.6)
    assert turn.decisions[0].action == "enter_long"
    assert len(room.venue.sent) == 1
    assert room.orders() == [(CLOSE_S, 1_250)]
    assert room.account.accounting.positions.keys() == {room.markets[0].market_id}


async def test_a_price_is_decided_while_orders_of_another_turn_are_on_their_way(tmp_path):
    """No turn waits for the venue's answer to another's order, whose market is left alone until it has come."""
    let = threading.Event()

    class Held(FakeVenue):
        def place(self, order):
            assert let.wait(20.0), "nobody let the venue answer"
            return super().place(order)

    room = Room(default_url(tmp_path), tmp_path, venue=Held())
    finishes = []
    for market in (0, 1):
        room.hear(0.6, market=market)
        turn, finish = await room.between.take(room.account, room.moves.taken(), lambda: False)
        room.moves.decided(turn)
        finishes.append(finish)
        room.hear(0.65, market=0, after_ms=1_400)
        room.wall_s += REST_S
        assert room.moves.taken() is None
    assert len(room.orders()) == 2
    assert room.account.accounting.positions == {}

    let.set()
    for finish in finishes:
        await finish()

    assert room.account.accounting.positions.keys() == {one.market_id for one in room.markets[:2]}


async def test_a_move_of_less_than_a_tick_of_the_price_is_no_reason(room):
    """What cannot change an order is not decided; it counts from the newest decision, so small steps add up."""
    room.hear(0.509)
    assert await room.take() is None
    room.hear(0.512)
    assert (await room.take()).decisions[0].action == "hold"
    room.hear(0.518)
    assert await room.take() is None


async def test_prices_that_come_together_are_one_turn_with_the_newest(room):
    """A burst is one decision per market, and the next turn waits for its time."""
    for fair in (0.7, 0.65, 0.6):
        room.hear(fair)
    room.hear(0.4, market=1)
    turn = await room.take()
    room.hear(0.8, after_ms=1_300)

    assert [one.fair for one in turn.inputs] == [0.6, 0.4]
    assert len(room.venue.sent) == 2
    assert 0.0 < room.moves.due_in_s() <= REST_S + 1e-9


async def test_only_markets_on_that_asset_are_decided(room):
    """A price of Ether is no reason to decide Bitcoin."""
    room.fair = {one.market_id: 0.6 for one in room.markets}
    room.hear(market=2, symbol="ETH")

    assert [one.market for one in (await room.take()).inputs] == [room.markets[2]]


async def test_a_bar_that_ends_goes_first(room):
    """From the end of the bar on nothing is due until it was decided; then the price that came counts from there."""
    room.hear(after_ms=LENGTH_S * 1_000)
    assert room.moves.due_in_s() is None
    assert room.moves.taken() is None

    room.close(CLOSE_S + LENGTH_S)
    room.market_ms += 40
    assert room.moves.due_in_s() is not None
    room.wall_s += REST_S
    turn = await room.take()
    assert (turn.ts_s, turn.after_ms) == (CLOSE_S + LENGTH_S, 40)


async def test_orders_wait_for_a_bar_that_closes_meanwhile(room):
    """A bar is not kept waiting by the orders of a price: the funnel says why they were not sent."""
    room.hear()
    room.waits = True
    await room.take()

    assert room.venue.sent == []
    lost = {step["step"]: step["lost"] for step in room.status.state(whole=False)["funnel"]["day"]}
    assert lost["sent"] == {"a bar closes": 1}


def _pause(room):
    room.journal.add_request("pause", "me")


def _books_differ(room):
    room.status.ledger_equals_venue = False


def _works(room):
    room.venue.rests = True
    room.account.execution.submit(make_intent(room.markets[0], ts_s=CLOSE_S))
    room.venue.sent.clear()


@pytest.mark.parametrize(
    "forbid",
    [
        lambda room: room.kill.write_text("on"),
        _pause,
        _books_differ,
        _works,
        lambda room: room.account.accounting.trip("too many"),
        lambda room: setattr(room, "reduce_only", "a precondition is off"),
        lambda room: setattr(room, "guarded", False),
        lambda room: setattr(room.watch, "armed", False),
        lambda room: setattr(room.turns, "stopping", True),
        lambda room: setattr(room.turns, "_unread", "the venue is away"),
        lambda room: room.followed[room.markets[0].market_id].__setattr__("confirmed_ms", 0),
        lambda room: room.followed[room.markets[0].market_id].__setattr__("quote", Quote(0, 5_100, 0, 10**10)),
    ],
)
async def test_what_forbids_a_purchase_at_a_bar_forbids_it_between_bars(room, forbid):
    """Kill switch, pause, books that differ, an order that works, breaker, preconditions, a stale quote: no order."""
    forbid(room)
    room.hear()
    await room.take()

    assert room.venue.sent == []


async def test_an_order_takes_the_room_of_the_next_market(tmp_path):
    """Exposure is reserved from market to market of one turn, and by what was bought since the bar."""
    room = Room(default_url(tmp_path), tmp_path)
    risk = room.model.rules.risk.model_copy(update={"max_exposure_fraction": 0.002})
    room.model.rules = replace(room.model.rules, risk=risk)
    for market in (0, 1):
        room.hear(market=market)
    first = await room.take()
    room.hear(0.9, market=1)
    room.wall_s += REST_S
    second = await room.take()

    assert len(room.venue.sent) == 1
    assert [made.refusal is None for made in first.decisions] == [True, False]
    assert second.decisions[0].refusal.reason.value == "exposure_cap"


@pytest.mark.parametrize(("kind", "between"), [("threshold_plain", True), ("temporal_arbitrage", False)])
async def test_other_policies_decide_at_closes_alone(tmp_path, kind, between):
    """A policy that does not act on the reference price, or is told not to, has no turn between bars."""
    room = Room(default_url(tmp_path), tmp_path, kind, between)
    room.hear()

    assert room.moves.due_in_s() is None
    assert [bar for bar in room.read().turns() if bar.after_ms] == []


def test_bars_longer_than_the_limit_are_decided_at_closes_alone():
    """The gate judged closes: between bars of a minute another strategy would trade."""
    made = [rules.make("temporal_arbitrage", PARAMS, NO_SIGNALS, None, length_s) for length_s in (1, 5, 6, 60)]

    assert [one.between_bars for one in made] == [True, True, False, False]


async def test_what_was_decided_between_bars_is_decided_again_identically(room):
    """Parity finds the decision with its order and its refusal, and lineage by order and by time."""
    room.hear()
    room.hear(0.3, market=1)
    await room.take()
    _pause(room)
    room.wall_s += REST_S
    room.hear(0.7, market=2, symbol="ETH", after_ms=2_000)
    refused = (await room.take()).decisions[0].refusal
    reader = room.read()
    document, book = decisions.decisions(reader.turns(), {HASH: room.model.rules})

    assert Counter(bar.after_ms for bar in reader.turns()) == {0: 1, 1_250: 1, 2_000: 1}
    assert (document["between_bars"], document["different"], document["limits"]["params.yaml"]) == (2, 0, 0)
    assert document["identical"] == document["decisions"] == 3
    assert refused.reason.value == "paused"
    assert {key[2] for key in book.between} == {1_250, 2_000}
    (sent, _) = reader.orders()
    found = lineage.decision(reader, sent["order_id"])
    assert found["decision"] == f"{sent['market_id']}@{CLOSE_S + 1}.250"
    assert lineage.decision(reader, found["decision"])["orders"] == found["orders"]
    assert lineage.decided_by(reader, HASH)["between_bars"] == 2
    assert lineage.decided_by(reader, HASH)["decisions"][0]["decision"] == found["decision"]
    assert len(reader.latencies_ms()) == 2


class Dies(BaseException):
    """The process ends here."""


@pytest.mark.parametrize("arrived", [False, True])
async def test_a_crash_between_journal_and_answer_sends_nothing_twice(tmp_path, monkeypatch, arrived):
    """The order is in the journal before it is sent: after a start its market waits until the venue has told of it."""
    room = Room(default_url(tmp_path), tmp_path)
    place = FakeVenue.place

    def die(self, order):
        if arrived:
            place(self, order)
        raise Dies

    monkeypatch.setattr(FakeVenue, "place", die)
    room.hear()
    with pytest.raises(Dies):
        await room.take()
    room.journal.close()
    monkeypatch.setattr(FakeVenue, "place", place)

    again = Room(room.url, tmp_path, venue=room.venue)
    assert again.orders() == [(CLOSE_S, 1_250)]
    again.hear(after_ms=3_000)
    assert await again.take() is None
    again.account.execution.sync()

    assert len(room.venue.sent) == int(arrived)
    assert bool(again.account.accounting.positions) is arrived
    assert [row.state for row in again.journal.orders()] == [OrderState.FILLED if arrived else OrderState.UNKNOWN]
    assert len([bar for bar in again.read().turns() if bar.after_ms]) == 1


async def test_what_a_turn_saw_is_written_behind_its_orders(room, monkeypatch):
    """A bot that dies while its order is on the way has journaled the order; lineage says that its turn is missing."""
    held: list[list[tuple[int, int]]] = []
    place = FakeVenue.place

    def look(self, order):
        held.append([bar.at for bar in room.read().turns() if bar.after_ms] + room.orders())
        with pytest.raises(DataError, match="between two bars that the journal does not hold"):
            lineage.decision(room.read(), order.order_id)
        return place(self, order)

    monkeypatch.setattr(FakeVenue, "place", look)
    room.hear()
    turn = await room.take()

    assert held == [[(CLOSE_S, turn.after_ms)]]
    assert [bar.at for bar in room.read().turns() if bar.after_ms] == [(CLOSE_S, turn.after_ms)]


async def test_a_position_is_left_between_bars_when_the_difference_has_closed(room):
    """An exit is a decision as at a bar: it is sent although nothing may be bought."""
    room.hear()
    await room.take()
    _pause(room)
    room.wall_s += REST_S
    room.hear(0.48, after_ms=4_000)
    turn = await room.take()

    assert turn.decisions[0].action == "exit"
    assert len(room.venue.sent) == 2


async def test_the_funnel_of_the_day_loses_no_market_between_bars(room):
    """Each step's count and losses are those of the step before, and the picture of the bar stays."""
    room.hear()
    room.hear(0.52, market=1)
    await room.take()
    shown = room.status.state(whole=False)["funnel"]
    counts = [one["count"] for one in shown["day"]]

    assert counts[:3] == [2, 2, 2]
    for one, after in itertools.pairwise(shown["day"]):
        assert one["count"] == after["count"] + sum(after["lost"].values())
    assert counts[-1] == 1
    assert shown["bar"] == []


def test_a_record_between_closes_names_its_time_and_describes_what_no_bar_has(room):
    """It gives its inputs back with the time after the close, and a market whose tick has changed since the bar is
    described again, for the next bar too."""
    turn, view = room.turns.decided
    later = [replace(one, after_ms=17) for one in turn.inputs]
    later[0] = replace(later[0], market=replace(later[0].market, tick_units=10))
    content, known = room.turns.packer.pack_between(later, view, ()), {}
    decision_record.unpack(decision_record.pack(turn.inputs, view), known)
    read = decision_record.unpack(content, known).inputs

    assert decision_record.roll(content).described() == {later[0].market.market_id: later[0].market}
    assert [(one.after_ms, one.market) for one in read] == [(17, one.market) for one in later]
    bar = decision_record.roll(room.turns.packer.pack([replace(later[0], after_ms=0)], view))
    assert list(bar.described()) == [later[0].market.market_id]


def test_a_journal_of_schema_2_goes_on_with_its_orders_at_closes(tmp_path):
    """Orders of before belong to bars; the new table and column are there, and nothing else has moved."""
    room = Room(default_url(tmp_path), tmp_path)
    room.account.execution.submit(make_intent(room.markets[0], ts_s=CLOSE_S))
    room.journal.close()
    with connect(room.url).begin() as db:
        for statement in (
            "DROP TABLE between_bars",
            "ALTER TABLE orders DROP COLUMN after_ms",
            "UPDATE journal_schema SET version = 2",
        ):
            db.execute(text(statement))

    again = Room(room.url, tmp_path, venue=room.venue)

    assert (again.journal.migrated.before, again.journal.migrated.after) == (2, migrations.VERSION)
    assert again.orders() == [(CLOSE_S, 0)]
    assert [bar for bar in again.read().turns() if bar.after_ms] == []
