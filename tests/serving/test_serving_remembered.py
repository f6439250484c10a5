"""What the journal remembers of a market is on its page again after a restart, and long after the market has left."""

from pathlib import Path

import numpy as np
import pytest
from serving_desk import Desk, FakeVenue, make_intent, make_market

from pipelines import decision_record
from pipelines.core.domain import Bar, Direction, Forecast, Quote
from pipelines.core.params import read
from pipelines.decide import Decision, Inputs
from pipelines.history.journal_reader import JournalReader
from pipelines.trading.policies.threshold import Threshold
from pipelines.trading.risk import Reason, Refusal
from serving.account.database import default_url
from serving.account.journal import decision_row
from serving.dashboard import market_page, remembered
from serving.dashboard.market_records import MarketRecords, document
from serving.dashboard.remembered import Remembered, joined
from serving.loaded_model import Turn

PARAMS = read(Path("params.yaml"))
START = 1_772_323_200
BUNDLE = "b" * 64
FORGOTTEN, LEAVES, BARS = 20, 125, 180
"""Bars whose inputs are forgotten, the last bar that decided the first market, and all bars."""


class _Rules:
    policy = Threshold.make({"impact_share": 0.125, "bar_length_s": 60})
    rule = PARAMS.policy


def _inputs(number, bar):
    mean = np.linspace(0.0, 0.1, 24)
    seen, market, mid = START + 60 * bar, make_market(number), 4_000 + bar
    closed, quote = Bar(market.market_id, seen, mid, 0, 0, 200), Quote(mid - 100, mid + 100, 10**9, 10**9)
    return Inputs(market, closed, quote, np.arange(15.0), Forecast(mean, mean - 0.2, mean + 0.2, 0.7), 0.25)


def _decided(one, bar):
    refused = Refusal(Reason.CONFIDENCE, "confidence 0.6 is below 0.7") if bar % 50 == 7 else None
    wish = Direction.LONG if refused else Direction.FLAT
    return Decision(START + 60 * bar, one.market.market_id, "hold", wish, 0.0, None, refused, 0.7, ())


def _turn(bar):
    inputs = [_inputs(number, bar) for number in ((1, 2) if bar <= LEAVES else (2, 3))]
    return inputs, [_decided(one, bar) for one in inputs]


def _write(desk, packer, bar):
    inputs, made = _turn(bar)
    rows = [decision_row(one, armed=True) for one in made]
    content = packer.pack(inputs, decision_record.NOTHING, rows) if bar >= FORGOTTEN else b""
    row = {"ts_s": START + 60 * bar, "bundle": BUNDLE, "cash_micro": 1, "equity_micro": 1, "took_ms": 1.0}
    desk.journal.bar(row | {"ledger_equals_venue": True, "inputs": content}, (), {}, {})


@pytest.fixture(scope="module")
def journaled(tmp_path_factory):
    """A journal of bars in which the first market left, none of them of this process."""
    made, packer = Desk.open(FakeVenue(), default_url(tmp_path_factory.mktemp("journal"))), decision_record.Packer()
    for bar in range(BARS):
        _write(made, packer, bar)
    yield made
    made.journal.close()


@pytest.fixture(autouse=True)
def small_parts(monkeypatch):
    """The journal is read in many parts, as a long one is."""
    monkeypatch.setattr(remembered, "AT_ONCE", 32)


def _remembered(desk):
    opened = []

    def reader():
        opened.append(1)
        return JournalReader(desk.url, {}, 0.0, PARAMS, desk.venue.account)

    return Remembered(reader, lambda bundle: _Rules if bundle == BUNDLE else None), opened


def test_every_market_of_the_journal_has_its_prices_and_decisions_after_a_restart(journaled):
    """Also the one that left long before: every bar that is kept, the last hundred decisions, the forecast; the journal
    is read once."""
    made, opened = _remembered(journaled)
    for number, first, last in ((1, FORGOTTEN, LEAVES), (2, FORGOTTEN, BARS - 1), (3, LEAVES + 1, BARS - 1)):
        found = document(made.of(make_market(number).market_id), 60)
        assert [row[0] for row in found["prices"]] == [START + 60 * bar for bar in range(first, last + 1)]
        assert found["prices"][-1][1:] == [pytest.approx((4_000 + last + by) / 10_000) for by in (0, -100, 100)]
        decided = range(last, max(first, last - 99) - 1, -1)
        assert [one["ts_s"] for one in found["decisions"]] == [START + 60 * bar for bar in decided]
        assert found["fan"][0][0] == START + 60 * last
        assert len(found["features"]) == 15
    assert made.of("0x" + "9" * 64) is None
    read_so_far = len(opened)
    for number in (1, 2, 3):
        made.of(make_market(number).market_id)
    made.of("0x" + "9" * 64)

    assert read_so_far == len(opened) == 4


def test_a_decision_of_the_journal_has_its_reason(journaled):
    """A refusal its numbers; a hold what it would have had to exceed, or, of a bundle that is not at hand, what was
    expected."""
    made, _ = _remembered(journaled)
    found = {one["ts_s"]: one for one in made.of(make_market(2).market_id).decisions}

    refused = found[START + 60 * 157]
    assert (refused["refusal"], refused["why"]) == ("confidence", "confidence 0.6 is below 0.7")
    assert refused["action"] == "enter_long"
    assert "needs more than" in found[START + 60 * 158]["why"]
    early, _ = _remembered(journaled)
    early._rules_of = lambda _bundle: None
    assert early.of(make_market(1).market_id).decisions[0]["why"].startswith("held by an earlier bundle: expected +")


def test_the_past_and_the_present_of_a_market_are_one(journaled):
    """Bars of this process follow those of the journal, each once, and the newest decision comes first."""
    made, _ = _remembered(journaled)
    past, records = made.of(make_market(2).market_id), MarketRecords()
    for bar in range(BARS - 5, BARS + 20):
        inputs, decisions = _turn(bar)
        records.add(Turn(START + 60 * bar, tuple(inputs), tuple(decisions), 0.0, 0.0), {}, _Rules, armed=True)
    found = document(joined(past, records.of(make_market(2).market_id)), 60)

    assert [row[0] for row in found["prices"]] == [START + 60 * bar for bar in range(FORGOTTEN, BARS + 20)]
    assert [one["ts_s"] for one in found["decisions"]] == [START + 60 * (BARS + 19 - back) for back in range(100)]
    assert found["fan"][0][0] == START + 60 * (BARS + 19)
    assert found["fan_hour_ago"][0][0] == START + 60 * (BARS + 19) - 3_600


def test_a_market_that_the_process_has_forgotten_is_read_again(desk):
    """Bars that came after the first look are found once the process no longer remembers the market itself."""
    packer, about = decision_record.Packer(), make_market(2).market_id
    for bar in range(FORGOTTEN, FORGOTTEN + 5):
        _write(desk, packer, bar)
    made, _ = _remembered(desk)
    assert len(made.of(about).prices) == 5
    _write(desk, packer, FORGOTTEN + 5)

    assert len(made.of(about).prices) == 5
    assert len(made.of(about, dropped=1).prices) == 6


def test_the_last_decisions_are_on_the_dashboard_after_a_restart(journaled):
    """Those that were refused, newest first, with their market and reason; holds are not listed."""
    made, _ = _remembered(journaled)
    found = made.recent(3)

    assert [one["ts_s"] for one in found] == [START + 60 * bar for bar in (157, 157, 107)]
    assert {one["refusal"] for one in found} == {"confidence"}
    assert all(one["question"] and one["detail"] for one in found)


def test_an_empty_journal_remembers_nothing(desk):
    """Before the first bar there is no past, and no error."""
    made, _ = _remembered(desk)

    assert made.of(make_market(1).market_id) is None
    assert made.recent(10) == []


def test_a_traded_market_without_bars_shows_the_prices_of_its_fills(desk):
    """Where every bar was forgotten the mids at the fills are the prices, so that the marks have a place."""
    about = make_market(1)
    desk.execution.submit(make_intent(about))
    desk.execution.sync()
    own = market_page.of_journal(desk.journal, about.market_id)
    shown = market_page.with_prices({"prices": [], **own})

    assert [row[0] for row in shown["prices"]] == [one["ts_s"] for one in own["fills"]]
    assert market_page.with_prices({"prices": [[1, 2, 3, 4]], **own})["prices"] == [[1, 2, 3, 4]]


def test_a_record_of_another_format_is_passed_over(journaled, monkeypatch):
    """What another version wrote is not read and stops nothing."""
    monkeypatch.setattr(decision_record, "FORMAT", 99)
    made, _ = _remembered(journaled)

    assert made.of(make_market(2).market_id) is None
    assert made.recent(10) == []
