from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipelines.core.domain import Bar, FeeSchedule, Fill, Forecast, Market, Outcome, Quote, Side
from pipelines.core.errors import DataError
from pipelines.core.orders import SignedOrder
from pipelines.core.params import read
from pipelines.core.settings import Settings
from pipelines.decide import Account, Inputs, decide
from pipelines.engine.rules import make
from pipelines.parity import journal as reading
from pipelines.parity import replay
from pipelines.trading.orders import OrderState
from pipelines.trading.sizing import SizingTable
from serving import records
from serving.journal import Journal

PARAMS = read(Path("params.yaml"))
RULES = make("threshold", PARAMS, SizingTable(0.7, 0.05, 0.03, 500, 9), None, 60)
NOW = 1_767_300_000
CASH = 10_000_000_000
HASH = "ab" * 32


def market(number):
    """A market of an event of its own."""
    name = f"0x{number:064x}"
    return Market(
        name, f"e{number}", "q", f"{number}1", f"{number}2", 100, 5_000_000, FeeSchedule(0.05), None, NOW + 86_400, ""
    )


def seen(number, ts_s, move):
    """A market with a forecast of a steady move."""
    about = market(number)
    mean = np.linspace(0.0, move, 24)
    forecast = Forecast(mean, mean - 0.1, mean + 0.1, 0.81)
    bar = Bar(about.market_id, ts_s, 5_050, 0, 0, 0)
    return Inputs(about, bar, Quote(5_000, 5_100, 10**9, 10**9), np.arange(15.0), forecast, 0.1, 3)


@pytest.fixture
def live(tmp_path):
    """A journal of two bars: on the first, two markets are entered and one order is filled."""
    url = f"sqlite:///{tmp_path / 'journal.sqlite'}"
    written = Journal(url, "simulated")
    written.begin("0xme")
    account = Account(CASH, CASH, {}, {}, {}, CASH, CASH)
    for ts_s in (NOW, NOW + 60):
        inputs = [seen(1, ts_s, 0.4), seen(2, ts_s, -0.4), seen(3, ts_s, 0.0)]
        open_buys = {}
        made = []
        for one in inputs:
            made.append(decide(one, replace(account, open_buy_micro=open_buys), RULES))
            if made[-1].intent:
                open_buys[one.market.market_id] = made[-1].intent.shares_micro * made[-1].intent.price_units // 10_000
        header = {"ts_s": ts_s, "bundle": HASH, "cash_micro": CASH, "equity_micro": CASH, "took_ms": 1.0}
        header |= {"ledger_equals_venue": True, "inputs": records.pack(inputs, account)}
        written.bar(header, [records.decision_row(one, True) for one in made], {}, {})
        if ts_s == NOW:
            order = SignedOrder("0xorder", made[0].intent, {})
            written.intend(order, "")
            written.move("0xorder", OrderState.SENT)
            fill = Fill("f1", "0xorder", made[0].market_id, "11", Outcome.YES, Side.BUY, 5_100, 50_000_000, 0, ts_s)
            written.book_fill(fill, 5_050, "enter", "")
    written.close()
    return url


def test_the_same_inputs_decide_the_same(live):
    """Every journaled decision comes out identical when its bar is decided again."""
    read_back = reading.Journal(live, {}, 24.0)
    document, _ = replay.decisions(read_back.bars(), {HASH: RULES})
    assert (document["bars"], document["decisions"], document["identical"]) == (2, 6, 6)
    assert document["unreplayable"] == {}


def test_a_changed_limit_is_seen(live):
    """Other rules lead to differences that name the field, the live value and the replayed one."""
    strict = replace(RULES, risk=PARAMS.risk.model_copy(update={"min_confidence": 0.9}))
    document, _ = replay.decisions(reading.Journal(live, {}, 24.0).bars(), {HASH: strict})
    assert document["different"] == 4
    assert document["differences"][0]["refusal"] == [None, "confidence"]


def test_a_missing_bundle_is_a_reason(live):
    """Bars of a bundle that is not on this machine are counted, not guessed."""
    document, _ = replay.decisions(reading.Journal(live, {}, 24.0).bars(), {})
    assert document["decisions"] == 0
    assert document["unreplayable"] == {f"bundle {HASH[:12]} is not on this machine": 6}


def test_fills_stand_beside_the_model(live):
    """The live fill of 50 shares at 0.51 without a fee is compared with what the model would have filled."""
    read_back = reading.Journal(live, {}, 24.0)
    _, book = replay.decisions(read_back.bars(), {HASH: RULES})
    document = replay.fills(read_back.orders(), read_back.fills(), book, PARAMS.execution, 60)
    assert document["orders"] == 1
    assert document["live_shares"] == 50.0
    assert document["model_shares"] > 50.0
    assert document["cost_gap_pusd"] > 0.0
    assert document["reasons"] == {"other size: depth of the book": 1}


@pytest.mark.parametrize(
    ("content", "words"), [(b"", "holds no decided bar"), (b"not a database" * 99, "ODDSMITH_VAR")]
)
def test_a_file_that_is_no_journal_is_a_clear_error(tmp_path, content, words):
    """An empty database, or a file that is none, ends with what to check."""
    path = tmp_path / "journal.sqlite"
    path.write_bytes(content)

    with pytest.raises(DataError, match=words):
        reading.Journal(f"sqlite:///{path}", {}, 24.0)


def test_without_a_journal_it_says_so(tmp_path):
    """Parity of a bot that never ran is a clear error."""
    with pytest.raises(DataError, match="make run"):
        reading.url(Settings(var=tmp_path, journal_url=""))
