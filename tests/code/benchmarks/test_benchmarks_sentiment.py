"""Sentiment and variance: figures of scorers, matching against written headlines, and what a variant of a rule does."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmarks import sentiment, variance_use
from benchmarks.sentiment_page import page
from pipelines.core.errors import DataError
from pipelines.core.params import load
from pipelines.news.scorers import Vader
from pipelines.trading import compiled
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


def test_the_variants_differ_by_settings_alone():
    """The median entry keeps its whole cap, and the fixed stops that are as far away lie where twice its deviation
    does; every other setting stays."""
    bars = np.zeros((3, compiled.DEVIATION + 1), dtype=np.int64)
    bars[:, compiled.MID], bars[:, compiled.DEVIATION] = 4_000, (100, 400, 900)
    params = load()
    params = params.model_copy(update={"risk": params.risk.model_copy(update={"stop_cost_multiple": 2.0})})
    found = variance_use.threshold_variants(params, bars, np.full(3, 200.0))
    assert found["shipped"] == params
    assert found["sizes"].sizing.max_deviation_fraction == pytest.approx(params.sizing.max_position_fraction * 0.1)
    assert found["wider_stops"].risk.stop_cost_multiple == pytest.approx(4.0)
    assert found["stops"].risk.stop_cost_multiple == params.risk.stop_cost_multiple
    assert {name for pair in variance_use.PAIRS.values() for name in pair} == {*found, "maker", "maker_by_variance"}


def test_a_difference_is_paired_by_world():
    """The interval is that of the difference in each world, however much the worlds differ, of those that have both."""
    rows = [{"a": 100.0 * world + 1.0, "b": 100.0 * world} for world in range(8)]
    assert variance_use.difference([*rows, {"b": 5.0}], "a", "b") == [1.0, 1.0, 1.0]
