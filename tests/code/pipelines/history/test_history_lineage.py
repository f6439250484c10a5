"""From a decision of the journal to what made its bundle, and from a bundle to its decisions."""

import json
from pathlib import Path

import pytest

from oddsmith import lineage as command
from pipelines import decision_record
from pipelines.core.artifacts import write_json
from pipelines.core.errors import DataError
from serving.account import schema
from serving.account.database import default_url
from serving.account.journal import Journal

MARKET = "0x" + "12" * 32
OTHER = "0x" + "34" * 32
FIRST, SECOND = "a" * 64, "b" * 64
START = 1_772_323_200
ORDER = "0xfeed" + "0" * 60
NOTHING_SEEN = decision_record.pack([], decision_record.NOTHING)


def decided(market_id, ts_s, action):
    """A row of the table of decisions."""
    row = {"market_id": market_id, "ts_s": ts_s, "action": action, "direction": 1, "fraction": 0.5, "refusal": None}
    return row | {"detail": "", "confidence": 0.7, "intent": None, "armed": True}


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A machine on which two bundles decided a bar each; the first one's order was filled, and it was archived."""
    monkeypatch.setenv("ODDSMITH_VAR", str(tmp_path / "var"))
    monkeypatch.delenv("ODDSMITH_JOURNAL_URL", raising=False)
    (tmp_path / "var").mkdir()
    journal = Journal(default_url(tmp_path / "var"), "simulated")
    journal.begin("0xabc")
    row = {"cash_micro": 1, "equity_micro": 1, "took_ms": 1.0, "ledger_equals_venue": True, "inputs": NOTHING_SEEN}
    made = [decided(MARKET, START, "enter_long"), decided(OTHER, START, "hold")]
    journal.bar(row | {"ts_s": START, "bundle": FIRST}, made, {}, {})
    later = START + 60
    journal.bar(row | {"ts_s": later, "bundle": SECOND}, [decided(MARKET, later, "hold")], {}, {})
    order = {"order_id": ORDER, "account": "0xabc", "ts_s": START, "created_ms": 1, "market_id": MARKET}
    order |= {"token_id": "1", "outcome": "YES", "side": "BUY", "price_units": 5_000, "shares_micro": 10**7}
    fill = {name: order[name] for name in ("order_id", "account", "market_id", "token_id", "outcome", "side", "ts_s")}
    fill |= {"fill_id": "trade-1", "price_units": 4_900, "shares_micro": 10**7, "fee_micro": 5, "yes_mid_units": 4_900}
    with journal._engine.begin() as db:
        db.execute(schema.ORDERS.insert().values(order | {"reason": "enter", "state": "filled", "payload": "{}"}))
        db.execute(schema.FILLS.insert().values(fill | {"reason": "enter", "booked_ms": 1, "seq": 1}))
    kept = tmp_path / "var/lineage" / FIRST
    write_json(kept / "lineage.json", {"commit": {"hash": "c0ffee", "changed": []}, "data": {"data/raw": "5d41.dir"}})
    (kept / "dvc.lock").write_text("stages: {}\n")
    yield journal
    journal.close()


def answer(capsys, decision=None, bundle=None):
    """What the command prints as JSON."""
    command.show(decision, bundle, as_json=True)
    return json.loads(capsys.readouterr().out)


@pytest.mark.parametrize(
    "named", [ORDER, ORDER[:10], "trade-1", f"{MARKET}@{START}", f"{MARKET[:10]}@2026-03-01T00:00:00Z"]
)
def test_a_decision_leads_to_what_made_its_bundle(machine, capsys, named):
    """An order, a fill, and market with time name the same decision, its bundle, and the archived files."""
    found = answer(capsys, named)
    assert (found["decision"], found["action"], found["bundle"]) == (f"{MARKET}@{START}", "enter_long", FIRST)
    assert [one["fill_id"] for one in found["orders"][0]["fills"]] == ["trade-1"]
    origin = found["origin"]
    assert (origin["commit"]["hash"], origin["data"]) == ("c0ffee", {"data/raw": "5d41.dir"})
    assert Path(origin["files"]["dvc.lock"]).is_file()


def test_a_decision_without_an_order_is_found_too(machine, capsys):
    """A hold has a lineage; a bundle that was not archived says so."""
    assert answer(capsys, f"{OTHER}@{START}")["orders"] == []
    found = answer(capsys, f"{MARKET}@{START + 60}")
    assert (found["bundle"], found["origin"]["archived"]) == (SECOND, False)


def test_a_bundle_leads_back_to_its_decisions(machine, capsys):
    """The beginning of a hash names the bundle; each decision of the answer leads to that bundle again."""
    found = answer(capsys, bundle=FIRST[:8])
    assert (found["bundle"], found["decided"]["bars"]) == (FIRST, 1)
    (one,) = found["decided"]["decisions"]
    assert one == {"decision": f"{MARKET}@{START}", "orders": [ORDER]}
    assert answer(capsys, one["decision"])["bundle"] == FIRST
    assert answer(capsys, bundle=SECOND)["decided"]["decisions"] == []


@pytest.mark.parametrize(
    ("decision", "bundle", "words"),
    [
        (None, None, "name one of the two"),
        ("x", "y", "name one of the two"),
        ("0xnothing", None, "MARKET@TIME"),
        ("0xfe", None, "at least 6 letters"),
        (f"{MARKET}@{START + 1}", None, "no bar was decided"),
        (f"{MARKET}@yesterday", None, "Unix seconds"),
        (f"0xdeadbeef@{START}", None, "there is none"),
        (None, "cccccc", "there is none"),
    ],
)
def test_what_is_not_there_is_refused_in_words(machine, decision, bundle, words):
    """What was given is named, with what would be understood."""
    with pytest.raises(DataError, match=words):
        command.show(decision, bundle, as_json=True)


def test_without_a_journal_a_bundle_still_has_an_origin(tmp_path, capsys, monkeypatch):
    """On a machine that made the bundle and never traded, the archive answers."""
    monkeypatch.setenv("ODDSMITH_VAR", str(tmp_path))
    monkeypatch.delenv("ODDSMITH_JOURNAL_URL", raising=False)
    write_json(tmp_path / "lineage" / FIRST / "lineage.json", {"commit": {"hash": "c0ffee", "changed": []}})
    found = answer(capsys, bundle=FIRST)
    assert found["commit"]["hash"] == "c0ffee"
    assert found["decided"] is None
