"""Sentiment and variance: figures of scorers, matching against written headlines, and what a variant of a rule does."""

import json
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmarks import sentiment, variance_use
from benchmarks.sentiment_page import page
from pipelines.core.domain import Direction, Forecast, Outcome, Position
from pipelines.core.errors import DataError
from pipelines.news.scorers import Vader
from pipelines.trading.policies import CASH, Target
from simulator.markets.sentences import TONES


class _Told:
    """Knows the tone of every plain sentence."""

    def score(self, texts):
        known = [(text.replace("{s}", name), tone) for tone, text in TONES for name in sentiment.SUBJECTS]
        return [dict(known).get(text, 0.0) for text in texts]


def test_a_scorer_that_knows_is_right_and_one_that_is_silent_is_not():
    """Who knows every tone has all signs and no error; silence has no sign; VADER has the plain ones and few others."""
    assert sentiment.accuracy(_Told())["plain"]["right_sign"] == 1.0
    assert sentiment.accuracy(_Told())["plain"]["mean_absolute_error"] == 0.0
    silent = sentiment.accuracy(sentiment.Silent())
    assert {one["right_sign"] for one in silent.values()} == {0.0, None}
    vader = sentiment.accuracy(Vader())
    assert vader["plain"]["right_sign"] > 0.95
    assert vader["irony"]["right_sign"] < 0.3
    assert sentiment.misread(Vader(), events=15) > 0.25


def test_matching_is_measured_on_a_file_of_questions(tmp_path, monkeypatch):
    """Precision and recall are means over headlines; a headline about no market that is matched is counted; a file
    without questions is refused."""
    questions = ["Will Farah Tanaka win?", "Will Ilan Marsh win?", "Will Brenholm win the cup?"]
    pq.write_table(pa.table({"question": questions, "event_id": ["a", "b", "c"]}), tmp_path / "questions.parquet")
    written = [
        {"text": "Farah Tanaka leads", "about": ["Tanaka"]},
        {"text": "Marsh and Tanaka debate", "about": ["Marsh", "Brenholm"]},
        {"text": "Ilan Marsh opens a shop", "about": []},
    ]
    (tmp_path / "headlines.json").write_text(json.dumps({"headlines": written}))
    monkeypatch.setattr(sentiment, "HEADLINES", tmp_path / "headlines.json")
    found = sentiment.matching(tmp_path / "questions.parquet")
    assert found["precision"][0] == pytest.approx((1.0 + 0.5 + 0.0) / 3)
    assert found["recall"][0] == pytest.approx((1.0 + 0.5) / 2)
    assert found["of_these_matched"] == found["about_no_market"] == 1
    pq.write_table(pa.table({"price": [0.5]}), tmp_path / "prices.parquet")
    with pytest.raises(DataError, match="no column question"):
        sentiment.matching(tmp_path / "prices.parquet")


def test_every_written_headline_has_patterns_that_compile():
    """The written headlines are distinct, and a quarter or less are about no market."""
    written = json.loads(sentiment.HEADLINES.read_text())["headlines"]
    assert len({one["text"] for one in written}) == len(written) >= 50
    assert 5 <= sum(not one["about"] for one in written) <= len(written) // 4


def test_the_page_says_what_was_measured():
    """Every scorer and wording is a row, the matching a sentence; what was not measured is left out."""
    found = {
        "accuracy": {"vader": sentiment.accuracy(Vader())},
        "misread": {"vader": 0.4},
        "matching": None,
        "skill": {"edge 1, seed 1": {"none": {"skill": 0.05}, "vader": {"skill": 0.06, "adds": [0.01, 0.005, 0.02]}}},
    }
    text = page(found)
    assert text.count("| `vader` |") == 4
    assert "+1.00 [+0.50, +2.00] points" in text
    assert "precision" not in text


def _inputs(mid, half_width):
    forecast = Forecast(np.zeros(24), np.full(24, -half_width), np.full(24, half_width), 0.9)
    return SimpleNamespace(bar=SimpleNamespace(mid_units=mid), forecast=forecast)


def test_a_wide_interval_makes_a_position_smaller_and_never_larger():
    """The wished fraction is multiplied by the usual width over the width, at most 1 and at least LEAST."""
    inner = SimpleNamespace(kind="threshold", target=lambda *_: Target(Direction.LONG, 0.8))
    policy = variance_use.WithVariance(inner, usual_width=0.2)
    fractions = [policy.target(_inputs(5_000, half), None, None).fraction for half in (0.05, 0.1, 0.2, 10.0)]
    assert fractions == pytest.approx([0.8, 0.8, 0.4, 0.8 * variance_use.LEAST])


def test_a_stop_follows_the_predicted_variance():
    """A long position is left when the mid is more than STOP_SD predicted standard deviations below its entry, a short
    one when it is as far above; a wider interval bears more; without a position the wish stays."""
    wish = Target(Direction.LONG, 1.0)
    inner = SimpleNamespace(kind="threshold", target=lambda *_: wish)
    policy = variance_use.WithVariance(inner, usual_width=0.2, stop_sd=2.0)
    one = 0.1 / variance_use.NORMAL_90 * 2_500.0
    for outcome, sign in ((Outcome.YES, 1), (Outcome.NO, -1)):
        for distance, stopped in ((1.9, False), (2.1, True)):
            entry = round(5_000 + sign * distance * one)
            position = Position(
                market_id="m", outcome=outcome, shares_micro=10_000_000, entry_units=entry, peak_units=entry,
                cost_micro=0, opened_s=0,
            )  # fmt: skip
            assert (policy.target(_inputs(5_000, 0.1), position, None) == CASH) is stopped
            assert policy.target(_inputs(5_000, 0.3), position, None) == wish
    assert policy.target(_inputs(5_000, 0.1), None, None) == wish


def test_the_difference_is_paired_over_worlds():
    """Of two variants the one that earns more in every world is better, whatever the worlds themselves earn."""
    rows = [
        {"plain": {"pnl_pusd": base, "sharpe_day": 1.0}, "sized": {"pnl_pusd": base + 5.0, "sharpe_day": 0.9}}
        for base in (-1_000.0, 0.0, 3_000.0)
    ]
    found = variance_use.difference(rows, "sized")
    assert found["pnl_pusd"] == [5.0, 5.0, 5.0]
    assert found["better"]
    assert not variance_use.difference([row | {"sized": row["plain"]} for row in rows], "sized")["better"]
