"""What the backtest's page and files show."""

import csv
import io
import re
import sys
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.backtest import attribution, charts, page_tables, report
from pipelines.backtest.strategies import Comparison, done, job

sys.path.insert(0, str(Path(__file__).parents[1] / "replay"))
from test_replay_identity import CASH, PARAMS, TABLE, history, scaler

STACK = {
    "parts": {"scorer": "vader", "forecast": "hybrid", "agent": "dqn", "forecast_block": True},
    "pnl_pusd": 5.0, "round_trips": 9, "daily_return": 0.01, "sharpe_bar": 1.0, "win_rate": 0.77,
    "max_drawdown": 0.1, "threshold_pnl_pusd": 7.0,
}  # fmt: skip
STACKS = {
    "stacks": {
        "llm_gru_dqn": {"parts": STACK["parts"], "skipped": "no endpoint"},
        "vader_hybrid_dqn": STACK,
        "dqn_alone": STACK | {"parts": STACK["parts"] | {"forecast_block": False}, "pnl_pusd": 6.0},
    },
    "data": {"sha256": "abcdef" * 10, "about": "Data: source recorded."},
    "measured_at": "2026-11-22 20:18 UTC",
    "same_data": False,
}


@pytest.fixture(scope="module")
def comparison():
    """Six random markets."""
    return Comparison([history(seed) for seed in range(1, 7)], PARAMS, TABLE, scaler(), 60)


@pytest.fixture(scope="module")
def runs(comparison):
    """Cash and the threshold rule, which trades."""
    return [done(comparison, job(comparison, kind)) for kind in ("cash", "threshold")]


@pytest.fixture
def markets(comparison):
    """The markets by id."""
    return comparison.tape.markets


@pytest.fixture
def document(comparison, runs):
    """What the stage measured of them, in small."""
    return {
        "markets": 6, "market_bars": 1, "bar_length_s": 60, "cash_pusd": 10_000, "chosen": "threshold",
        "detailed": "threshold", "slice_days": report.slice_days(runs[0], 60), "trailing_returns": {},
        "fee_2x_pnl_pusd": {"threshold": -1.0}, "latency_pnl_pusd": {"threshold": {"2x": 1.0}}, "annualised": "365",
        "resting_pnl_pusd": {"threshold": dict.fromkeys(("pessimistic", "neutral", "optimistic"), 4.0)},
        "calibration": [{"trips": 7, "confidence": 0.71, "right": 0.6, "paid": 0.4}],
        "costs_pusd": {"at_mid": 9.0, "spread_and_impact": 4.0, "fees": 3.0, "net": 2.0},
        "stacks": STACKS, "literal_stops_pnl_pusd": -3.0, "deflated_sharpe": None, "overfitting_probability": 0.2,
        "strategies": {"threshold": {"pnl_pusd": 2.0}},
    }  # fmt: skip


def lasting(run, days):
    """The run as if its bars lay evenly over that many days."""
    ts_s = run.result.ts_s
    step = (days * 86_400 - 60) // (len(ts_s) - 1)
    return replace(run, result=replace(run.result, ts_s=[ts_s[0] + k * step for k in range(len(ts_s))]))


def test_the_report_needs_nothing_from_outside(runs, document, markets):
    """The page holds its styles and curves: no address, no script from elsewhere."""
    page = report.page(runs, document, markets)
    assert "<svg" in page
    assert all(part in page for part in ("threshold", "resting, pessimistic", "71.0%", "no endpoint", "-4.00"))
    assert not re.search(r"https?://|<script", page)
    assert report.equity_csv(runs).startswith("ts_s,cash,threshold\n")


def test_every_closed_trade_is_in_the_file(comparison, runs):
    """trades.csv has a row per closed trade, in order, and its P&L adds up to that of all of them."""
    closed = runs[1].result.closed
    rows = list(csv.DictReader(io.StringIO(report.trades_csv(runs[1], comparison.tape.markets))))
    assert len(closed) > 20
    assert [int(row["closed_s"]) for row in rows] == [trade.closed_s for trade in closed]
    assert sum(Decimal(row["pnl_pusd"]) for row in rows) == sum(trade.pnl for trade in closed)
    assert {row["policy"] for row in rows} == {"threshold"}
    assert {row["event_id"] for row in rows} == {f"e{seed}" for seed in range(1, 7)}


def test_a_shortened_list_says_so(runs, document, markets, monkeypatch):
    """The page says how many of how many trades and markets it shows, and which file has all of them."""
    monkeypatch.setattr(page_tables, "TRADES", 10)
    monkeypatch.setattr(page_tables, "MARKETS", 4)
    page = report.page(runs, document, markets)
    assert f"The newest 10 of {len(runs[1].result.closed)} closed trades" in page
    assert "reports/trades.csv" in page
    assert "<td>q</td>" in page
    assert "4 of 6 markets (the worst and the best 2)" in page


def test_a_policy_that_was_not_chosen_is_named_as_such(comparison, runs, document, markets):
    """Where cash is chosen the page says so, shows the trades of the best candidate, and marks each section."""
    details = attribution.document(runs[1].result, comparison.histories, 60)
    page = report.page(runs, document | details | {"chosen": "cash"}, markets)
    assert "Chosen: <b>cash</b>" in page
    assert page.count("(threshold, not chosen)") == 5
    assert "No trade was closed" not in page
    assert "not chosen" not in report.page(runs, document | details, markets)


def test_nothing_is_extrapolated(runs, document, markets):
    """A slice of hours shows its own return and no 30-day or 90-day column; the page says why."""
    page = report.page(runs, document, markets)
    assert "return in 0.2 days" in page
    assert "it has no 30-day or 90-day return" in page
    assert "last 30 days" not in page
    assert report.trailing_returns(runs[1], 60, CASH) == {}


def test_a_long_slice_has_the_guides_returns(runs, document, markets):
    """Returns of the last 30 and 90 days stand where the slice holds them, from the equity that stood before."""
    month, quarter = (lasting(runs[1], days) for days in (45, 91))
    quarter.result.equity_micro = [CASH + 1_000_000 * k for k in range(len(quarter.result.ts_s))]
    assert list(report.trailing_returns(month, 60, CASH)) == ["30"]
    found = report.trailing_returns(quarter, 60, CASH)
    ts_s, equity = quarter.result.ts_s, quarter.result.equity_micro
    before = max(k for k, at in enumerate(ts_s) if at <= ts_s[-1] - 30 * 86_400)
    assert found["30"] == equity[-1] / equity[before] - 1.0 > 0.0
    page = report.page([quarter], document | {"slice_days": 91.0, "trailing_returns": {"threshold": found}}, markets)
    assert "last 30 days" in page
    assert f"{found['90']:+.2%}" in page
    assert "extrapolated" not in page


def test_thirty_days_of_thirty_are_the_whole_return(runs):
    """A slice of exactly thirty days begins with the initial cash."""
    whole = lasting(runs[1], 30)
    ts_s = [*whole.result.ts_s[:-1], whole.result.ts_s[0] + 30 * 86_400 - 60]
    whole = replace(whole, result=replace(whole.result, ts_s=ts_s))
    assert report.slice_days(whole, 60) == 30.0
    assert report.trailing_returns(whole, 60, CASH)["30"] == pytest.approx(whole.figures.return_fraction)


def test_stacks_say_when_they_were_measured_and_on_what():
    """The table has win rates, its date and its data, the best first; other data than the report's stand out."""
    text = page_tables.stacks(STACKS)
    assert "77%" in text
    assert text.index("llm_gru_dqn") > text.index("vader_hybrid_dqn") > text.index("dqn_alone")
    assert "hybrid, for limits only" in text
    assert "2026-11-22 20:18 UTC on <b>other data than this report</b>" in text
    assert "abcdefabcdef." in text
    assert "the data of this report" in page_tables.stacks(STACKS | {"same_data": True})
    assert "make league STACKS=1" in page_tables.stacks({})


def test_the_page_says_what_the_sizes_know(runs, document, markets):
    """Hit rate, gain and loss are of the slice that is judged on: the page says it, and that the gate's is clean."""
    assert "signals on this same slice" in report.page(runs, document, markets)


@given(st.floats(-1e6, 1e6), st.floats(0.0, 1e6))
def test_axes_have_round_values_around_the_curve(low, width):
    """The ticks of a chart enclose its curves, are evenly spaced, and are few."""
    marks = charts.ticks(low, low + width)
    assert marks[0] <= low + 1e-6
    assert marks[-1] >= low + width - 1e-6
    assert 2 <= len(marks) <= 8
    assert np.allclose(np.diff(marks), marks[1] - marks[0])
    assert charts.ticks(0.0, 31.0) == [0.0, 10.0, 20.0, 30.0, 40.0]


def test_no_two_lines_of_a_chart_look_alike():
    """Of three times as many lines as there are colours each has a stroke of its own, in the legend too."""
    strokes = [charts._stroke(line) for line in range(3 * len(charts.COLOURS))]
    assert len(set(strokes)) == len(strokes)
