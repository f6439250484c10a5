"""The replay of the last day as metrics of the service."""

from pathlib import Path

import pytest

from pipelines.core.artifacts import write_json
from serving import metrics
from serving.dashboard.nightly_reports import NightMetrics


def test_a_new_replay_is_exported_and_a_broken_one_changes_nothing(tmp_path: Path) -> None:
    """Missing, then whole, then not JSON, then of another shape: the gauges keep the last whole report."""
    path = tmp_path / "parity.json"
    replay = NightMetrics(path)
    replay.publish()
    fills = {"cost_gap_pusd": -7.5, "pnl_gap_pusd": 3.25}
    write_json(path, {"decisions": 40, "different": 2, "not_replayed": 6, "fills": fills})
    replay.publish()

    for content in ("{", '{"decisions": 9, "different": 9, "not_replayed": 9}'):
        path.write_text(content)
        replay.publish()

        assert metrics.REPLAY_DIFFERENT._value.get() == 2.0
        assert metrics.REPLAY_COST_GAP._value.get() == pytest.approx(-7.5)
        assert metrics.REPLAY_DECISIONS._value.get() == 40.0
        assert metrics.REPLAY_MISSING._value.get() == 6.0
        assert metrics.REPLAY_PNL_GAP._value.get() == pytest.approx(3.25)


def test_the_bill_of_the_last_night_is_exported(tmp_path: Path) -> None:
    """What AWS billed, its plan and its limit are gauges, and a part of them alone changes none."""
    path = tmp_path / "billed.json"
    nights = NightMetrics(tmp_path / "parity.json", tmp_path / "drift.json", tmp_path / "nights.jsonl")
    gauges = (metrics.BILLED, metrics.BILL_PLANNED, metrics.BILL_LIMIT)
    write_json(path, {"billed_monthly_usd": 700.0, "planned_monthly_usd": 530.0, "limit_monthly_usd": 662.5})
    nights.publish()
    assert [gauge._value.get() for gauge in gauges] == [700.0, 530.0, 662.5]
    path.write_text('{"billed_monthly_usd": 1.0}')
    nights.publish()
    assert [gauge._value.get() for gauge in gauges] == [700.0, 530.0, 662.5]
