"""`oddsmith params latency` writes measured deciles to params.yaml, and nothing that was not measured."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.order_stages import StagedGateway, Stages, document
from oddsmith import parameters
from pipelines.core.domain import FeeSchedule, Market, Outcome, Side
from pipelines.core.errors import ParameterError
from pipelines.core.orders import OrderIntent, OrderType
from pipelines.core.params import read

ROOT = Path(__file__).parents[3]
MEASURED = [10.0, 12.0, 14.5, 16.0, 18.0, 20.0, 25.0, 30.0, 40.0, 60.0, 250.0]
MARKET = Market(
    market_id="m", event_id="e", question="?", token_yes="1", token_no="2", tick_units=100, min_size_micro=5_000_000,
    fee=FeeSchedule(0.0), start_s=0, end_s=10_000, topic="crypto", taker_delay_ms=150,
)  # fmt: skip
ORDER = OrderIntent(
    market_id="m", token_id="1", outcome=Outcome.YES, side=Side.BUY, price_units=9_000, shares_micro=10_000_000,
    tick_units=100, neg_risk=False, version="v1", reason="enter", ts_s=1_000,
)  # fmt: skip


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with the shipped parameters, which the command works in."""
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copy(ROOT / name, tmp_path / name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ODDSMITH_PROFILE", raising=False)
    return tmp_path


def report(path, measured):
    """A report with measured latencies."""
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps({"latency_ms": measured}))
    return path


def test_measured_deciles_are_written_and_the_comment_stays(folder):
    """Those of `oddsmith parity`, or of a report that is named; every reader of the parameters draws from them."""
    report(folder / "reports" / "parity.json", {"orders": 40, "deciles": MEASURED})
    parameters.set_latency(None)
    line = next(line for line in (folder / "params.yaml").read_text().splitlines() if "latency_ms: [" in line)

    assert read(Path("params.yaml")).execution.latency_ms == MEASURED
    assert "#" in line
    parameters.set_latency(report(folder / "reports" / "own.json", {"orders": 30, "deciles": [7.0] * 11}))
    assert read(Path("params.yaml")).execution.latency_ms == [7.0] * 11


@pytest.mark.parametrize(
    ("measured", "words"),
    [
        (None, "does not exist; `oddsmith parity`"),
        ({"orders": 29, "deciles": MEASURED}, "29 measured orders, 30 are needed"),
        ({"orders": 0, "deciles": []}, "0 measured orders"),
        ([1.0] * 11, "has no latency_ms.deciles"),
    ],
)
def test_what_was_not_measured_changes_nothing(folder, measured, words):
    """No report, too few orders (none of paper trading) and another report are refused with what to do."""
    before, path = (folder / "params.yaml").read_text(), folder / "reports" / "parity.json"
    if measured is not None:
        report(path, measured)

    with pytest.raises(ParameterError, match=words):
        parameters.set_latency(None)
    assert (folder / "params.yaml").read_text() == before


class Signs:
    """A gateway that signs and answers at once."""

    def prepare(self, intent):
        """Sign."""
        return type("Signed", (), {"order_id": intent.reason, "intent": intent})()

    def place(self, signed):
        """Answer."""
        return "answered"


def test_the_stages_of_an_order_add_up_to_its_way_without_the_hold(monkeypatch):
    """Close to decision, decision to signature, signature to answer: the hold of a market is the venue's, and is left
    out of a take alone."""
    now = iter([10.030, 10.250, 10.260, 10.275])
    monkeypatch.setattr("benchmarks.order_stages.time.perf_counter", lambda: next(now))
    gateway = StagedGateway(Signs(), {"m": MARKET})
    gateway.turn_at, gateway.took_ms = 10.0, 20.0
    for kind in (OrderType.FAK, OrderType.GTD):
        assert gateway.place(gateway.prepare(replace(ORDER, order_type=kind))) == "answered"

    take, rest = gateway.stages
    assert (take.close_to_decision, take.decision_to_signed) == (20.0, pytest.approx(10.0))
    assert take.signed_to_answer == pytest.approx(70.0)
    assert rest.total == pytest.approx(100.0 + 275.0)


def test_the_stated_way_to_the_venue_is_added_to_every_decile():
    """The report says how much of its deciles was stated and not measured."""
    found = document([Stages(1.0, 2.0, 3.0), Stages(2.0, 4.0, 6.0)], 30.0)

    assert found["latency_ms"]["network_ms"] == 30.0
    assert (found["latency_ms"]["deciles"][0], found["latency_ms"]["deciles"][-1]) == (136.0, 142.0)
    assert found["order_stages_ms"]["decision_to_signed"]["p50"] == 3.0
    assert document([], 30.0)["latency_ms"] == {"orders": 0, "network_ms": 30.0, "deciles": []}
