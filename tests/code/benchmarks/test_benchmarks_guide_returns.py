"""The guide's table of returns: one long history, accounts that go on, nothing extrapolated."""

import json

import numpy as np
import pytest

from benchmarks import guide_returns
from pipelines.core.money import MICRO
from pipelines.core.params import load

CASH = 10_000 * MICRO


def test_a_period_that_the_history_does_not_hold_has_no_return():
    """A return over 30 days needs 30 days; it is what the days compound to, within the interval of such periods."""
    returns = np.random.default_rng(1).normal(0.002, 0.01, 40)

    assert guide_returns.period(returns[:29], 30, 1) is None
    found = guide_returns.period(returns, 30, 1)
    assert found["return"] == pytest.approx(np.prod(1.0 + returns[-30:]) - 1.0)
    assert found["low"] < found["return"] < found["high"]


def test_days_of_chunks_join_to_one_account():
    """Returns by day go on from the end of the chunk before, the first from the cash."""
    found = [{"days": {"threshold": [11_000, 12_100]}}, {"days": {"threshold": [12_100, 6_050]}}]

    assert guide_returns.daily(found, "threshold", 10_000) == pytest.approx([0.1, 0.1, 0.0, -0.5])


def test_a_stopped_run_goes_on_with_what_it_has(tmp_path, monkeypatch):
    """Chunks that are kept are not played again, and the next one begins with their last equity."""
    began = []

    def play(_course, number, cash):
        began.append((number, dict(cash)))
        return {"edge": 1.0, "seed": 1, "chunk": number, "days": {name: [CASH + number] for name in cash}}

    monkeypatch.setattr(guide_returns, "course", lambda *_: None)
    monkeypatch.setattr(guide_returns, "chunk", play)
    kept = tmp_path / "kept.jsonl"
    guide_returns.rows(1.0, 1, 6, load(), kept)
    found = guide_returns.rows(1.0, 1, 9, load(), kept)

    assert [number for number, _ in began] == [0, 1, 2]
    assert set(began[2][1].values()) == {CASH + 1}
    assert [one["chunk"] for one in found] == [0, 1, 2]
    assert [json.loads(line)["chunk"] for line in kept.read_text().splitlines()] == [0, 1, 2]


@pytest.mark.slow
def test_three_days_are_played_for_every_strategy():
    """Bot, buy and hold and random entries have an equity for each day of the same markets, and random entries pay for
    their trades."""
    params = load()
    made = guide_returns.course(1.0, 1, params)
    days = guide_returns.chunk(made, 0, dict.fromkeys(guide_returns.NAMES, CASH))["days"]

    assert {len(values) for values in days.values()} == {guide_returns.CHUNK_DAYS}
    assert days["random_matched"][-1] < CASH
    assert days["threshold"][-1] > days["random_matched"][-1]
