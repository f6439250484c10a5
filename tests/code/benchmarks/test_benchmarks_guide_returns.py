"""The guide's table of returns: one long history, accounts that go on, nothing extrapolated."""

import json

import numpy as np
import pytest

from benchmarks import guide_returns
from pipelines.core.money import MICRO
from pipelines.core.params import load

CASH = 10_000 * MICRO


def test_a_period_that_the_history_does_not_hold_has_no_return():
    """A return over 30 days needs 30 days and is what the first 30 compound to; one short world leaves the mean out."""
    returns = np.random.default_rng(1).normal(0.002, 0.01, 40)

    assert guide_returns.period(returns[:29], 30) is None
    assert guide_returns.period(returns, 30) == pytest.approx(np.prod(1.0 + returns[:30]) - 1.0)
    assert guide_returns.over_worlds([0.1, None]) is None


def test_what_the_bot_returned_more_is_paired_by_world():
    """Where the bot is ahead by the same in every world the interval of the difference has no width, however much the
    worlds differ; the table has a row for every strategy."""
    rates = {1: 1.01, 2: 1.03}
    worlds = [
        [{"edge": 1.0, "days": {kind: _grown(rate, kind) for kind in guide_returns.NAMES}}] for rate in rates.values()
    ]
    table = guide_returns.document(worlds, load())

    more = table["buy_and_hold"]["bot_more_30_days"]
    assert (more["low"], more["mean"], more["high"]) == pytest.approx((0.5, 0.5, 0.5), abs=1e-6)
    assert table["threshold"]["30_days"]["low"] < table["threshold"]["30_days"]["mean"]
    assert table["threshold"]["90_days"] is None
    assert all(name in guide_returns.page([table]) for name in guide_returns.NAMES.values())


def _grown(rate, kind):
    """Equity of 30 days; the bot ends half of its first cash above the others."""
    ends = [CASH * rate**day for day in range(1, 31)]
    return [*ends[:-1], ends[-1] + (CASH // 2 if kind == "threshold" else 0)]


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
