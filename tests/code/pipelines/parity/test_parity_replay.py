import json
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipelines import decision_record
from pipelines.core.domain import Bar, FeeSchedule, Fill, Forecast, Market, Outcome, Quote, Side
from pipelines.core.errors import DataError
from pipelines.core.orders import SignedOrder
from pipelines.core.params import read
from pipelines.core.settings import Settings
from pipelines.decide import Account, Inputs, decide
from pipelines.history import journal_reader as reading
from pipelines.history.journaled_limits import JournaledLimits
from pipelines.parity import decisions, fills
from pipelines.replay.rules import make
from pipelines.trading.order_states import OrderState
from pipelines.trading.risk import reserve_micro
from pipelines.trading.sizing import SizingTable
from serving.account.journal import Journal, decision_row

PARAMS = read(Path("params.yaml"))
RULES = make("threshold", PARAMS, SizingTable(0.7, 0.05, 0.03, 500, 9), None, 60)
NOW = 1_767_300_000
CASH = 10_000_000_000
HASH = "ab" * 32


def market(number):
    """A market of an event of its own."""
    name = f"0x{number:064x}"
    return Market(
        market_id=name,
        event_id=f"e{number}",
        question="q",
        token_yes=f"{number}1",
        token_no=f"{number}2",
        tick_units=100,
        min_size_micro=5_000_000,
        fee=FeeSchedule(0.05),
        start_s=None,
        end_s=NOW + 86_400,
        topic="",
    )


def seen(number, ts_s, move):
    """A market with a forecast of a steady move."""
    about = market(number)
    mean = np.linspace(0.0, move, 24)
    forecast = Forecast(mean, mean - 0.1, mean + 0.1, 0.81)
    bar = Bar(about.market_id, ts_s, 5_050, 0, 0, 0)
    return Inputs(about, bar, Quote(5_000, 5_100, 10**9, 10**9), np.arange(15.0), forecast, 0.1, 3)


def opened(url, today=PARAMS):
    """The journal as parity reads it, with today's parameters."""
    return reading.JournalReader(url, {}, 24.0, today)


def with_risk(**limits):
    """Parameters with other limits."""
    return PARAMS.model_copy(update={"risk": PARAMS.risk.model_copy(update=limits)})


@pytest.fixture
def live(tmp_path):
    """A journal of two bars: on the first, two markets are entered and one order is filled."""
    return write(f"sqlite:///{tmp_path / 'journal.sqlite'}", RULES)


@pytest.fixture
def older(tmp_path):
    """The same journal of a program that wrote no limits down."""
    return write(f"sqlite:///{tmp_path / 'older.sqlite'}", None)


def write(url, noted):
    """Journal two bars under RULES; `noted` are the rules that are written down."""
    written = Journal(url, "simulated")
    written.begin("0xme")
    if noted:
        written.note_rules(HASH, decision_record.rules_document(noted))
    account = Account(
        cash_micro=CASH,
        equity_micro=CASH,
        positions={},
        open_buy_micro={},
        markets={},
        day_start_equity_micro=CASH,
        peak_equity_micro=CASH,
    )
    for ts_s in (NOW, NOW + 60):
        inputs = [seen(1, ts_s, 0.4), seen(2, ts_s, -0.4), seen(3, ts_s, 0.0)]
        open_buys = {}
        made = []
        for one in inputs:
            made.append(decide(one, replace(account, open_buy_micro=open_buys), RULES))
            if made[-1].intent:
                order = made[-1].intent
                open_buys[one.market.market_id] = reserve_micro(one.market, order.shares_micro, order.price_units)
        header = {"ts_s": ts_s, "bundle": HASH, "cash_micro": CASH, "equity_micro": CASH, "took_ms": 1.0}
        header |= {"ledger_equals_venue": True, "inputs": decision_record.pack(inputs, account)}
        written.bar(header, [decision_row(one, True) for one in made], {}, {})
        if ts_s == NOW:
            order = SignedOrder("0xorder", made[0].intent, {})
            written.intend(order, "")
            written.move("0xorder", OrderState.SENT, latency_ms=40.0)
            fill = Fill(
                fill_id="f1",
                order_id="0xorder",
                market_id=made[0].market_id,
                token_id="11",
                outcome=Outcome.YES,
                side=Side.BUY,
                price_units=5_100,
                shares_micro=50_000_000,
                fee_micro=0,
                ts_s=ts_s,
            )
            written.book_fill(fill, 5_050, "enter", "")
    written.close()
    return url


def test_the_same_inputs_decide_the_same(live):
    """Every journaled decision comes out identical when its bar is decided again."""
    read_back = opened(live)
    document, _ = decisions.decisions(read_back.bars(), {HASH: RULES})
    assert (document["bars"], document["decisions"], document["identical"]) == (2, 6, 6)
    assert (document["unreplayable"], document["not_replayed"]) == ({}, 0)


def test_an_action_that_does_not_come_out_again_is_a_difference(live):
    """A journaled action is compared like every other field, and a refused entry is journaled as that entry."""
    (bar, *_) = opened(live).bars()
    name = market(1).market_id
    changed = replace(bar, decisions={**bar.decisions, name: {**bar.decisions[name], "action": "hold"}})
    strict = replace(RULES, risk=with_risk(min_confidence=0.9).risk)

    document, _ = decisions.decisions([changed], {HASH: RULES})
    refused = decide(bar.inputs[0], bar.account, strict)

    assert document["differences"] == [{"ts_s": NOW, "market_id": name, "action": ["hold", "enter_long"]}]
    assert (refused.action, decision_row(refused, True)["action"]) == ("hold", "enter_long")


def test_a_limit_that_was_changed_since_makes_no_difference(live):
    """The bars of yesterday are decided with the limits of yesterday, whatever params.yaml says today."""
    today = with_risk(min_confidence=0.9)
    read_back = opened(live, today)

    document, _ = decisions.decisions(read_back.bars(), {HASH: replace(RULES, risk=today.risk, horizon_bars=5)})

    assert (document["identical"], document["different"]) == (6, 0)
    assert document["limits"] == {"journaled": 2, "params.yaml": 0}
    assert read_back.limits[1, HASH].changed(today) == {
        "risk.min_confidence": [PARAMS.risk.min_confidence, 0.9]
    }  # fmt: skip


def test_an_older_journal_is_decided_with_todays_limits(older):
    """Where no limits were written down those of params.yaml count; the report says so, and what differs."""
    strict = replace(RULES, risk=with_risk(min_confidence=0.9).risk)
    document, _ = decisions.decisions(opened(older).bars(), {HASH: strict})
    assert document["limits"] == {"journaled": 0, "params.yaml": 2}
    assert document["different"] == 4
    assert document["differences"][0]["refusal"] == [None, "confidence"]


def test_a_decision_that_the_limits_do_not_lead_to_is_seen(tmp_path):
    """When a live process did not do what its own journaled limits say, the field and both values are named."""
    said = replace(RULES, risk=with_risk(min_confidence=0.9).risk)
    document, _ = decisions.decisions(opened(write(f"sqlite:///{tmp_path / 'j.sqlite'}", said)).bars(), {HASH: RULES})
    assert document["different"] == 4
    assert document["differences"][0]["refusal"] == [None, "confidence"]


def test_limits_of_another_version_are_read_with_what_is_known(tmp_path):
    """A limit that the live program did not have takes today's value, one that is gone is left out, a wrong one is
    an error."""
    document = json.loads(decision_record.rules_document(RULES))
    del document["risk"]["max_markets"]
    document["risk"]["max_luck"] = 1

    limits = JournaledLimits.read(json.dumps(document), with_risk(max_markets=9))

    assert limits.risk == PARAMS.risk.model_copy(update={"max_markets": 9})
    with pytest.raises(DataError, match="RiskParams"):
        JournaledLimits.read(json.dumps(document | {"risk": {"min_confidence": 7}}), PARAMS)


def test_limits_are_written_once_per_session_and_bundle(live):
    """A session that says its limits again keeps the first, and another session has its own."""
    written = Journal(live, "simulated")
    written.begin("0xme")
    assert [written.note_rules(HASH, decision_record.rules_document(RULES)) for _ in range(2)] == [True, False]
    written.close()

    assert set(opened(live).limits) == {(1, HASH), (2, HASH)}


def test_a_missing_bundle_is_a_reason(live):
    """Bars of a bundle that is not on this machine are counted, not guessed."""
    document, _ = decisions.decisions(opened(live).bars(), {})
    assert document["decisions"] == 0
    assert document["unreplayable"] == {f"bundle {HASH[:12]} is not on this machine": 6}
    assert document["not_replayed"] == 6


def test_a_missing_candidate_that_was_only_shown_is_no_gap(live):
    """Decisions of a bundle that could send nothing are named where they cannot be replayed, and not counted against
    the replay: every night replaces such a bundle."""
    shown = [
        replace(bar, decisions={name: {**row, "armed": False} for name, row in bar.decisions.items()})
        for bar in opened(live).bars()
    ]
    document, _ = decisions.decisions(shown, {})
    assert document["unreplayable"] == {f"bundle {HASH[:12]} is not on this machine": 6}
    assert (document["decisions"], document["not_replayed"]) == (0, 0)


def test_fills_stand_beside_the_model(live):
    """The live fill of 50 shares at 0.51 without a fee is compared with what the model would have filled."""
    read_back = opened(live)
    _, book = decisions.decisions(read_back.bars(), {HASH: RULES})
    document = fills.compare(read_back.orders(), read_back.fills(), book, PARAMS.execution, 60)
    assert document["orders"] == 1
    assert document["live_shares"] == 50.0
    assert document["model_shares"] > 50.0
    assert document["cost_gap_pusd"] > 0.0
    assert document["reasons"] == {"other size: depth of the book": 1}


def test_gaps_are_told_by_what_a_sale_was_sent_for(live):
    """Each exit reason has the gaps of its own sales, purchases are in none, and the parts add up to the whole."""
    read_back = opened(live)
    _, book = decisions.decisions(read_back.bars(), {HASH: RULES})
    entry = read_back.orders()[0]
    book.held = {(market(1).market_id, "YES"): 100_000_000}
    sold = [
        {**entry, "order_id": name, "side": "SELL", "price_units": 4_800, "reason": reason}
        for name, reason in (("a", "stop_loss"), ("b", "stop_loss"), ("c", "market_ending"))
    ]
    fill = {"fill_id": "a1", "side": "SELL", "shares_micro": 50_000_000, "price_units": 4_900, "fee_micro": 0}
    document = fills.compare([entry, *sold], {"a": [fill]}, book, PARAMS.execution, 60)
    parts = document["by_exit_reason"]

    assert {name: part["orders"] for name, part in parts.items()} == {"stop_loss": 2, "market_ending": 1}
    assert (parts["stop_loss"]["live_shares"], parts["market_ending"]["live_shares"]) == (50.0, 0.0)
    bought = fills.compare([entry], {}, book, PARAMS.execution, 60)
    for name in ("model_shares", "live_pnl_pusd", "cash_gap_pusd"):
        assert sum(part[name] for part in parts.values()) == pytest.approx(document[name] - bought[name])


def test_what_orders_took_is_given_in_the_form_of_the_parameter(live):
    """The grace of a bar's messages, its decisions and the order's answer, as `execution.latency_ms` takes them."""
    assert opened(live).latencies_ms() == [141.0]


def journaled(tmp_path, mode="simulated"):
    """A journal of one bar whose decisions took 1 ms and of two orders of it, a take and a bid that rests, that took
    240 and 10 ms, in a market that holds takers for 150 ms; its latencies."""
    written = Journal(f"sqlite:///{tmp_path / mode}.sqlite", mode)
    written.begin("0xme")
    held = replace(market(1), taker_delay_ms=150)
    account = Account(
        cash_micro=CASH, equity_micro=CASH, positions={}, open_buy_micro={}, markets={}, day_start_equity_micro=CASH,
        peak_equity_micro=CASH,
    )  # fmt: skip
    header = {"ts_s": NOW, "bundle": HASH, "cash_micro": CASH, "equity_micro": CASH, "took_ms": 1.0}
    written.bar(header | {"ledger_equals_venue": True, "inputs": decision_record.pack([], account)}, [], {}, {})
    intent = decide(seen(1, NOW, 0.4), account, RULES).intent
    for name, kind, took_ms in (("0xa", "FAK", 240.0), ("0xb", "GTD", 10.0)):
        written.intend(
            SignedOrder(name, intent, {"orderType": kind}), json.dumps(decision_record.market_document(held))
        )
        written.move(name, OrderState.SENT, latency_ms=took_ms)
        time.sleep(0.002)
    written.close()
    read_back = opened(f"sqlite:///{tmp_path / mode}.sqlite")
    try:
        return read_back.latencies_ms()
    finally:
        read_back.close()


def test_an_order_waits_for_those_before_it_and_the_hold_of_takers_is_left_out(tmp_path):
    """A backtest adds the market's hold to what it draws, so the deciles must not hold it too; an order that rests is
    not held, but was sent after the first."""
    assert journaled(tmp_path) == [191.0, 351.0]


def test_latencies_of_paper_trading_are_no_measurement(tmp_path):
    """They were drawn from `execution.latency_ms`: written there, they would only confirm it."""
    assert journaled(tmp_path, "paper") == []


def test_profits_stand_side_by_side(live):
    """Live: 50 shares for 25.50 are worth 25.25 at the mid of 0.505, and 50 when the market pays; the model's likewise,
    with impact and fee."""
    read_back = opened(live)
    _, book = decisions.decisions(read_back.bars(), {HASH: RULES})
    given = (read_back.orders(), read_back.fills(), book, PARAMS.execution, 60)

    marked = fills.compare(*given)
    paid = fills.compare(*given, {market(1).market_id: 1_000_000})

    assert (marked["live_pnl_pusd"], paid["live_pnl_pusd"]) == (-0.25, 24.5)
    assert marked["pnl_gap_pusd"] == pytest.approx(-0.25 - marked["model_pnl_pusd"])
    assert marked["model_pnl_pusd"] < marked["live_pnl_pusd"]
    assert paid["model_pnl_pusd"] - marked["model_pnl_pusd"] == pytest.approx(marked["model_shares"] * 0.495)


def test_the_model_sells_no_more_than_it_has(live):
    """A sale of shares that the model's own account never got earns it nothing."""
    read_back = opened(live)
    _, book = decisions.decisions(read_back.bars(), {HASH: RULES})
    order = {**read_back.orders()[0], "side": "SELL", "price_units": 4_800, "reason": "exit"}

    short = fills.compare([order], {}, book, PARAMS.execution, 60)
    book.held = {(market(1).market_id, "YES"): 10_000_000}
    some = fills.compare([order], {}, book, PARAMS.execution, 60)

    assert short["model_shares"] == some["model_shares"] > 10
    assert short["model_pnl_pusd"] == 0.0
    assert -1.0 < some["model_pnl_pusd"] < 0.0


def test_an_order_that_rests_is_modelled_to_its_end(live):
    """A buy at the bid fills in the model from the volume of the bars that it rests, under the journaled terms."""
    read_back = opened(live)
    _, book = decisions.decisions(read_back.bars(), {HASH: RULES})
    resting = PARAMS.execution.model_copy(update={"order_ttl_bars": 2, "queue": "optimistic"})
    for ts_s in (NOW + 60, NOW + 120):
        one = seen(1, ts_s, 0.4)
        book.inputs[market(1).market_id, ts_s] = replace(one, bar=replace(one.bar, volume_micro=40_000_000))
    order = {**read_back.orders()[0], "price_units": 5_000}

    assert fills.compare([order], {}, book, resting, 60)["model_shares"] == 0.0
    book.terms[NOW] = (resting, 60)
    assert fills.compare([order], {}, book, PARAMS.execution, 60)["model_shares"] == 20.0


@pytest.mark.parametrize(
    ("content", "words"), [(b"", "holds no decided bar"), (b"not a database" * 99, "ODDSMITH_VAR")]
)
def test_a_file_that_is_no_journal_is_a_clear_error(tmp_path, content, words):
    """An empty database, or a file that is none, ends with what to check."""
    path = tmp_path / "journal.sqlite"
    path.write_bytes(content)

    with pytest.raises(DataError, match=words):
        opened(f"sqlite:///{path}")


def test_without_a_journal_it_says_so(tmp_path):
    """Parity of a bot that never ran is a clear error."""
    with pytest.raises(DataError, match="make run"):
        reading.url(Settings(var=tmp_path, journal_url=""))
