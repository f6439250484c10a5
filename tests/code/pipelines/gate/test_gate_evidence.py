from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipelines.core.params import read
from pipelines.gate import stage
from pipelines.gate.evidence import Skill, skill, squared_errors
from pipelines.replay.market_history import History
from pipelines.replay.performance import Figures

SHIPPED = read(Path("params.yaml"))
# Enough events is a matter of this page, whatever a person set for a small run.
PARAMS = SHIPPED.model_copy(update={"gate": SHIPPED.gate.model_copy(update={"min_events": 5})})


def histories(events, edge, seed, bars=400):
    """Events of two markets whose mid reverts towards 0.5 by `edge`; forecasts that know the reversion, plus noise."""
    from pipelines.core.domain import FeeSchedule, Market

    rng = np.random.default_rng(seed)
    made = []
    for number in range(events * 2):
        pull = edge * 0.03
        price = np.empty(bars)
        price[0] = 0.5
        for k in range(1, bars):
            price[k] = np.clip(price[k - 1] - pull * (price[k - 1] - 0.5) + rng.normal(0, 0.01), 0.05, 0.95)
        mid = (price * 200).round().astype(np.int64) * 50
        gap = mid / 10_000 - 0.5
        change = -gap[:, None] * (1 - (1 - 0.03) ** np.arange(1, 25))[None] * 4.0
        mean = change * (1.0 if edge else 0.3) + rng.normal(0, 0.01, (bars, 24))
        market = Market(
            market_id=f"0x{number}",
            event_id=f"e{number // 2}",
            question="q",
            token_yes="1",
            token_no="2",
            tick_units=100,
            min_size_micro=1,
            fee=FeeSchedule(0.0),
            start_s=None,
            end_s=None,
            topic="",
        )
        zeros = np.zeros(bars, dtype=np.int64)
        made.append(
            History(
                market,
                60 * np.arange(bars),
                mid,
                mid - 50,
                mid + 50,
                zeros,
                zeros,
                np.zeros((bars, 15)),
                np.zeros(bars),
                mean,
                mean,
                mean,
                np.ones(bars),
            )
        )
    return made


def judged(made, seed=0):
    """Skill as the gate measures it."""
    return skill(made, 5, 24, 60, level=0.95, samples=500, seed=seed)


def test_persistence_has_no_skill():
    """A forecast of no change is persistence: its skill and its bound are exactly 0."""
    flat = [replace(one, mean=np.zeros_like(one.mean)) for one in histories(6, 1.0, 1)]
    measured = judged(flat)
    assert (measured.value, measured.lower) == (pytest.approx(0.0, abs=1e-9), pytest.approx(0.0, abs=1e-9))


def test_a_forecast_that_knows_is_found():
    """A planted edge passes the bound."""
    measured = judged(histories(10, 1.0, 2))
    assert measured.lower > 0.0
    assert measured.events == 10


def test_noise_fools_the_bound_rarely():
    """Without an edge at most one in twenty candidates passes the bound: 6 of 60 is the 95 % binomial limit."""
    passed = sum(judged(histories(8, 0.0, seed, bars=120)).lower > 0.0 for seed in range(60))
    assert passed <= 6


def test_a_gap_is_no_price():
    """A horizon that would jump over a gap is not judged."""
    one = histories(1, 1.0, 3)[0]
    late = replace(one, ts_s=one.ts_s + np.where(np.arange(len(one)) >= 200, 600, 0))
    assert squared_errors(late, 5, 5, 60)[2] == squared_errors(one, 5, 5, 60)[2] - 5


def figures(pnl):
    """A table with a P&L."""
    return Figures(pnl, 0.0, None, None, 0.0, 3, None, None, 0.0, 0.0, 0.0, None, 3, 6, {})


@pytest.mark.parametrize(
    ("measured", "pnl", "parity", "word"),
    [
        (Skill(0.02, -0.001, 12, 100), 10.0, 1e-7, "lower bound"),
        (Skill(0.02, 0.01, 12, 100), 0.0, 1e-7, "cash"),
        (Skill(0.02, 0.01, 4, 100), 10.0, 1e-7, "events"),
        (Skill(0.02, 0.01, 12, 100), 10.0, None, "parity"),
        (Skill(0.02, 0.01, 12, 100), 10.0, 0.01, "ONNX differs"),
    ],
)
def test_each_failure_holds_with_its_reason(measured, pnl, parity, word):
    """One failed check is enough to hold, and the reason says which."""
    failed, _ = stage.verdict(measured, figures(pnl), parity, PARAMS, "threshold")
    assert len(failed) == 1
    assert word in failed[0]


def test_all_checks_promote():
    """A candidate that passes everything has no reason to be held."""
    failed, passed = stage.verdict(Skill(0.02, 0.01, 12, 100), figures(5.0), 1e-7, PARAMS, "ppo")
    assert not failed
    assert len(passed) == 4


def test_a_missing_bundle_is_held(tmp_path, monkeypatch):
    """Without an intact bundle the verdict is hold, with what is missing."""
    monkeypatch.chdir(tmp_path)
    document = stage.judge(PARAMS)
    assert document["verdict"] == "hold"
    assert "not intact" in document["reasons"][0]
