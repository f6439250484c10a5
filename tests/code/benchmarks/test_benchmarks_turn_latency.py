"""The benchmark of a turn: it is measured until its orders are answered and journaled."""

import json

import pytest

from benchmarks import turn_latency


@pytest.mark.slow
def test_turns_are_measured_until_their_orders_are_answered(tmp_path, monkeypatch, capsys):
    """Every turn is counted, those that sent orders with the time of the last answer and the stages of each order."""
    monkeypatch.setattr(turn_latency, "REPORT", tmp_path / "turn_latency.json")

    assert turn_latency.main(["--bars", "8", "--markets", "20", "--idle"]) == 0

    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert found["turns"] >= 8
    assert found["turns_with_orders"] >= 1
    assert found["latency_ms"]["orders"] >= found["turns_with_orders"]
    assert found["turn_ms_p99"] >= found["decision_ms_p50"]
