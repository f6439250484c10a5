"""What a person asks while the bot trades: answered between two bars, journaled, shown, and refused as a whole."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from serving_desk import CASH, FakeVenue, make_intent, make_market

from pipelines.core.domain import Side
from pipelines.core.errors import ArtifactError, ParameterError
from pipelines.core.params import Params, read
from serving.account import requests
from serving.account.controls import Controls
from serving.account.database import connect
from serving.account.journal import Journal
from serving.account.trading_account import TradingAccount

ONE, TWO = make_market(1), make_market(2)
SHIPPED = Path(__file__).parents[2] / "params.yaml"


@dataclass
class Room:
    """An account that holds some markets, and its controls."""

    url: str
    file: Path
    account: TradingAccount
    controls: Controls
    told: list[str] = field(default_factory=list)

    def ask(self, kind: str, argument: str = "", who: str = "ann") -> tuple[requests.Answer, Params | None]:
        """Ask as another process does, let a bar pass, read the answer."""
        (asked,) = requests.ask(self.url, kind, who, argument=argument)
        assert requests.answer(self.url, asked, 0.0).text is None
        limits = self.controls.apply(self.account)
        return requests.answer(self.url, asked, 0.0), limits

    def sell(self, number: int = 1) -> None:
        """What a turn does with a market that is being closed."""
        held = self.account.accounting.positions[make_market(number).market_id]
        shares = held.shares_micro // 1_000_000
        self.account.execution.submit(make_intent(make_market(number), shares, Side.SELL, 2_000))
        self.account.execution.sync()


def enter(url: str, folder: Path, venue: FakeVenue) -> Room:
    """A start of the bot on a journal."""
    file = folder / "params.yaml"
    if not file.exists():
        file.write_text(SHIPPED.read_text())
    journal = Journal(url, "simulated")
    account = TradingAccount(venue, journal, read(file).risk)
    told: list[str] = []
    controls = Controls(journal, read(file), lambda: file, told.append)
    return Room(url, file, account, controls, told)


@pytest.fixture
def room(journal_url: str, tmp_path: Path) -> Iterator[Room]:
    """Ten shares of each of two markets."""
    made = enter(journal_url, tmp_path, FakeVenue())
    for market in (ONE, TWO):
        made.account.accounting.know(market)
        made.account.execution.submit(make_intent(market))
    made.account.execution.sync()
    yield made
    made.account.journal.close()


def test_a_pause_holds_until_it_is_taken_back_also_over_a_restart(room: Room, tmp_path: Path) -> None:
    """Entries are paused from the next bar on, with who and when in the state and a line to people; a restart keeps the
    pause, and `resume` ends it."""
    answer, limits = room.ask(requests.PAUSE)
    state = room.controls.state()

    assert (answer.refused, limits, room.controls.paused) == (False, None, True)
    assert "entries are paused" in str(answer.text)
    assert (state["paused"], state["paused_by"]) == (True, "ann")
    assert state["paused_ms"] > 1_700_000_000_000
    assert room.told == ["pause of ann: entries are paused: nothing is opened, exits go on"]
    room.account.journal.close()
    again = enter(room.url, tmp_path, FakeVenue(count=50, cash=room.account.gateway.cash_micro()))
    again.controls.apply(again.account)
    assert again.controls.paused
    again.ask(requests.RESUME, who="bob")
    assert not again.controls.paused
    assert again.controls.state()["paused_by"] is None
    assert [row["kind"] for row in again.controls.state()["requests"]] == ["resume", "pause"]
    room.account.journal = again.account.journal


def test_a_pause_cancels_purchases_that_rest_and_no_sale(room: Room) -> None:
    """What waits to open a position is taken back; what waits to close one stays."""
    venue = room.account.gateway
    assert isinstance(venue, FakeVenue)
    venue.rests = True
    for side in (Side.BUY, Side.SELL):
        room.account.execution.submit(make_intent(ONE, 5, side, 1_500))
    room.ask(requests.PAUSE)

    assert [intent.side for intent in venue.open.values()] == [Side.SELL]


@pytest.mark.parametrize("wanted", [ONE.market_id, "Will it be 1", "it be 1?"])
def test_a_market_is_closed_by_id_or_by_its_question(room: Room, wanted: str) -> None:
    """One position is sold, the close lasts until it is gone, and its end is journaled with who asked."""
    answer, _ = room.ask(requests.CLOSE, wanted)

    assert not answer.refused
    assert room.controls.closing == {ONE.market_id}
    assert "Will it be 1?" in str(answer.text)
    room.controls.apply(room.account)
    assert room.controls.closing == {ONE.market_id}
    room.sell(1)
    room.controls.apply(room.account)
    assert room.controls.closing == frozenset()
    ended = room.account.journal.newest_requests(9)[0]
    assert (ended.kind, ended.asked_by, ended.text.partition(":")[0]) == ("closing", "ann", "closed")
    assert [event["kind"] for event in room.account.journal.events(9)][:2] == ["closing", "close"]


def test_all_positions_are_closed_at_once_and_one_close_is_enough(room: Room, tmp_path: Path) -> None:
    """Without a market every position is closed, asking twice changes nothing, and a restart goes on closing."""
    room.ask(requests.CLOSE)
    room.ask(requests.CLOSE)

    assert room.controls.closing == {ONE.market_id, TWO.market_id}
    assert len(room.account.journal.requests((requests.CLOSING,))) == 2
    room.account.journal.close()
    again = enter(room.url, tmp_path, FakeVenue(count=50, cash=CASH))
    again.controls.apply(again.account)
    assert again.controls.closing == {ONE.market_id, TWO.market_id}
    room.account.journal = again.account.journal


@pytest.mark.parametrize(("wanted", "why"), [("0x", "matches"), ("Will it be", "matches"), ("rain", "no position")])
def test_a_close_that_could_mean_another_market_closes_nothing(room: Room, wanted: str, why: str) -> None:
    """An ambiguous or unknown market is refused with the positions that there are."""
    answer, _ = room.ask(requests.CLOSE, wanted)

    assert answer.refused
    assert why in str(answer.text)
    assert "Will it be 2?" in str(answer.text)
    assert room.controls.closing == frozenset()


def test_limits_are_taken_over_between_two_bars(room: Room) -> None:
    """New values of `risk` and `markets` hold from the next bar on, with who, when and old -> new; others wait for
    a restart and are named; the journal begins a session, so that a replay finds the limits of each bar."""
    session = room.account.journal.session_id
    text = room.file.read_text().replace("  stop_loss: 0.02", "  stop_loss: 0.03")
    text = text.replace("  deny: []", "  deny: ['topic:sports']").replace("latency_bars: 1", "latency_bars: 2")
    room.file.write_text(text)
    answer, limits = room.ask(requests.RELOAD)
    shown = room.controls.state()["limits"]

    assert limits is not None
    assert (limits.risk.stop_loss, limits.markets.deny) == (0.03, ["topic:sports"])
    assert limits.execution.latency_bars == 1
    assert "risk.stop_loss 0.02 -> 0.03" in str(answer.text)
    assert "execution.latency_bars need a restart" in str(answer.text)
    assert shown["risk"]["stop_loss"] == 0.03
    assert (shown["last_reload"]["by"], shown["last_reload"]["refused"]) == ("ann", "")
    assert {"key": "risk.stop_loss", "old": 0.02, "new": 0.03} in shown["last_reload"]["changed"]
    assert shown["last_reload"]["needs_restart"] == ["execution.latency_bars"]
    assert room.account.journal.session_id == session + 1
    assert room.ask(requests.RELOAD)[1] is None
    assert room.account.journal.session_id == session + 1


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("max_markets: 5", "max_markets: -1", "risk.max_markets"),
        ("  stop_loss: 0.02", "  stop_los: 0.02", "risk.stop_los"),
        ("  deny: []", "  deny: ['question:(']", "markets.deny"),
        ("risk:\n", "risk: [\n", "not YAML"),
    ],
)
def test_limits_that_are_not_allowed_are_refused_as_a_whole(room: Room, old: str, new: str, said: str) -> None:
    """One bad value keeps all limits as they are; the answer and the state name it."""
    text = room.file.read_text()
    assert old in text
    room.file.write_text(text.replace(old, new, 1).replace("take_profit: 0.05", "take_profit: 0.06"))
    answer, limits = room.ask(requests.RELOAD)
    shown = room.controls.state()["limits"]

    assert (answer.refused, limits) == (True, None)
    assert said in str(answer.text)
    assert said in shown["last_reload"]["refused"]
    assert shown["risk"]["take_profit"] == 0.05
    room.file.write_text(text.replace("take_profit: 0.05", "take_profit: 0.06"))
    assert room.ask(requests.RELOAD)[1] is not None


def test_the_breaker_counts_by_the_new_limits(room: Room) -> None:
    """The limit of orders per minute is one of those that are taken over."""
    changed = read(SHIPPED).risk.model_copy(update={"orders_per_minute": 1})
    room.account.take_limits(changed)

    assert room.account._breaker is not None
    assert room.account._breaker.limits.orders_per_minute == 1


@pytest.mark.parametrize(("kind", "who"), [("stop", "ann"), ("pause", " ")])
def test_a_request_of_another_kind_or_of_nobody_is_not_written(room: Room, kind: str, who: str) -> None:
    """What cannot be answered, or would be nobody's, is refused before it is written."""
    with pytest.raises(ParameterError):
        requests.ask(room.url, kind, who)
    assert room.account.journal.newest_requests(9) == []


def test_a_request_goes_to_the_account_that_traded_last(room: Room) -> None:
    """A journal of several accounts asks the newest session's alone, so that no old account is paused for ever."""
    room.account.journal.begin("0xnew")
    room.account.journal.account = "0xabc"

    assert [one.account for one in requests.ask(room.url, requests.PAUSE, "ann")] == ["0xnew"]
    assert [one.account for one in requests.ask(room.url, requests.DAY, "ann")] == ["0xabc", "0xnew"]


def test_a_journal_of_an_older_schema_takes_no_request(room: Room) -> None:
    """A request is written to tables of this program alone; the message names the command that migrates."""
    engine = connect(room.url)
    with engine.begin() as db:
        db.exec_driver_sql("DROP TABLE journal_schema")
    engine.dispose()

    with pytest.raises(ArtifactError, match="oddsmith upgrade"):
        requests.ask(room.url, requests.PAUSE, "ann")
    restore: Any = connect(room.url)
    restore.dispose()
