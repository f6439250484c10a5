"""Sentiment that is not circular: `python -m benchmarks.sentiment --questions FILE`.

Scorers are judged on the simulator's sentences, which none of them was trained on; headlines are matched to real
questions; and a forecaster is made with each scorer on worlds whose headlines are hard to read. Finished worlds are
kept in var/sentiment.jsonl. The page is docs/results/sentiment.md. The last line is JSON:

* `accuracy`: scorer -> wording -> share of right signs where the tone has weight, mean absolute error, correlation;
* `misread`: scorer -> share of the headlines of hard worlds that are more than half the scale off, or of other sign;
* `matching`: precision and recall of headlines and questions with 95 % intervals, null without `--questions`;
* `skill`: world -> scorer -> pooled skill, and what the scorer adds to no headlines, [value, low, high].
"""

import argparse
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from benchmarks.judged_bars import judged
from benchmarks.kept_rows import KeptRows
from benchmarks.mean_interval import mean_interval
from benchmarks.sentiment_page import PAGE, page
from benchmarks.skill_world import skill_world
from benchmarks.stage_runs import ROOT
from pipelines.core.artifacts import write_bytes
from pipelines.core.command_line import number, whole
from pipelines.core.domain import FeeSchedule, FloatArray, Market
from pipelines.core.errors import DataError
from pipelines.core.params import Params, load
from pipelines.forecast import state_space_fit
from pipelines.forecast.accuracy import POOLED_FROM, Errors
from pipelines.forecast.candidate import Base
from pipelines.forecast.training_windows import Rows
from pipelines.news.matching import Matcher
from pipelines.news.rss import Item
from pipelines.news.scorers import Scorer, Vader
from pipelines.news.tone import Tone
from simulator.markets.events import STEP_S, Family, build
from simulator.markets.hard_sentences import IRONIES, IRRELEVANT, PARAPHRASES, Styles
from simulator.markets.price_model import Model
from simulator.markets.sentences import TONES

HARD = Styles(paraphrase=0.3, irony=0.2, irrelevant=0.5)
"""Wording of the hard worlds."""
KEPT = Path("var/sentiment.jsonl")
SOURCES = ("pipelines/forecast", "pipelines/features", "pipelines/news", "simulator/markets")
HEADLINES = ROOT / "benchmarks/headlines.json"
SUBJECTS = ("Alden Marsh", "Brenholm Rovers", "Varga Mills")
WEIGHT, FAR = 0.25, 0.5
SAMPLES = 1_000

Row = dict[str, Any]


class Silent:
    """Scores every headline as neutral."""

    def score(self, texts: Sequence[str]) -> list[float]:
        """Zeros."""
        return [0.0] * len(texts)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure what is missing, render the page, print one JSON line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sentiment", description=__doc__)
    parser.add_argument("--questions", type=Path, help="Parquet with the columns question and event_id")
    parser.add_argument("--edge", type=number(0, 1), default=1.0)
    parser.add_argument("--worlds", type=whole(0), default=1)
    asked = parser.parse_args(arguments)
    scorers: dict[str, Scorer] = {"vader": Vader(), "tone": Tone()}
    params, kept = load(), KeptRows(KEPT, SOURCES)
    for seed in range(1, asked.worlds + 1):
        kept.once({"edge": asked.edge, "seed": seed}, lambda: one_world(seed, asked.edge, params, scorers))  # noqa: B023
    found = {
        "benchmark": "sentiment",
        "accuracy": {name: accuracy(scorer) for name, scorer in scorers.items()},
        "misread": {name: misread(scorer) for name, scorer in scorers.items()},
        "matching": matching(asked.questions) if asked.questions else None,
        "skill": {f"edge {row['edge']:g}, seed {row['seed']}": row["scorers"] for row in kept.rows},
    }
    write_bytes(PAGE, page(found).encode())
    print(json.dumps(found))


def accuracy(scorer: Scorer) -> Row:
    """Figures of a scorer on the simulator's sentences by wording, each with three subjects."""
    wordings = {
        "plain": TONES,
        "paraphrase": PARAPHRASES,
        "irony": IRONIES,
        "irrelevant": tuple((0.0, sentence) for sentence in IRRELEVANT),
    }
    return {name: _figures(scorer, sentences) for name, sentences in wordings.items()}


def _figures(scorer: Scorer, sentences: Sequence[tuple[float, str]]) -> Row:
    meant = np.array([tone for tone, _ in sentences for _ in SUBJECTS])
    said = np.array(scorer.score([text.format(s=subject) for _, text in sentences for subject in SUBJECTS]))
    weighty = np.abs(meant) >= WEIGHT
    right = np.sign(meant[weighty]) == np.sign(np.where(np.abs(said[weighty]) < 0.05, 0.0, said[weighty]))
    varied = len(np.unique(meant)) > 1 and float(np.std(said)) > 0.0
    return {
        "sentences": len(sentences),
        "right_sign": float(np.mean(right)) if weighty.any() else None,
        "mean_absolute_error": float(np.mean(np.abs(said - meant))),
        "correlation": float(np.corrcoef(said, meant)[0, 1]) if varied else None,
    }


def misread(scorer: Scorer, events: int = 40) -> float:
    """Share of the headlines of hard worlds whose score is of the other sign than the sentiment that moved the market,
    or more than half the scale from it; a headline without news moved nothing."""
    meant, texts = [], []
    for index in range(events):
        event = build(Family(1, Model(), styles=HARD), index)
        place = {listing.market_id: row for row, listing in enumerate(event.listings)}
        for headline in event.headlines:
            minute = (headline.known_s - event.start_s) // STEP_S
            moved = event.sentiment[place[headline.market_ids[0]], minute] if event.news[minute] else 0.0
            meant.append(float(moved))
            texts.append(headline.text)
    said, known = np.array(scorer.score(texts)), np.array(meant)
    other = (np.abs(known) >= WEIGHT) & (np.sign(said) == -np.sign(known))
    return float(np.mean(other | (np.abs(said - known) > FAR)))


def one_world(seed: int, edge: float, params: Params, scorers: dict[str, Scorer]) -> Row:
    """Pooled skill of the filter with each scorer on one hard world, and what it adds to no headlines."""
    days = params.simulator.history_days
    plain = Errors(*_sums(skill_world(seed, edge, params, days, HARD, Silent()).rows, params, silent=True))
    found: Row = {"none": {"skill": plain.skill}}
    for name, scorer in scorers.items():
        errors = Errors(*_sums(skill_world(seed, edge, params, days, HARD, scorer).rows, params))
        found[name] = {
            "skill": errors.skill,
            "adds": [errors.skill - plain.skill, *errors.interval(plain)],
        }
    easy = Errors(*_sums(skill_world(seed, edge, params, days).rows, params))
    found["plain wording, vader"] = {
        "skill": easy.skill,
        "adds": [easy.skill - plain.skill, *easy.interval(plain)],
    }
    return {"scorers": found}


def _sums(rows: Rows, params: Params, *, silent: bool = False) -> tuple[FloatArray, FloatArray]:
    """Squared errors of the filter and of persistence by event on the later slices; `silent` hides the headlines."""
    if silent:
        rows.headlines[:] = 0
        rows.tone[:] = 0.0
    settings = params.forecast
    path = Base.of(rows, params, state_space_fit.fit(rows, settings.seed))
    positions = judged(rows, settings.lookback_bars, settings.horizon_bars)[::3]
    errors = Errors.of(rows, positions, path.filtered(positions), slice(POOLED_FROM - 1, None))
    return errors.forecast, errors.null


def matching(questions: Path) -> Row:
    """Precision and recall of the matcher on written headlines and the questions of a file, averaged over headlines.

    Raises:
        DataError: if the file has no questions.
    """
    try:
        table = pq.read_table(questions, columns=["question", "event_id"])
    except (OSError, KeyError, ValueError) as error:
        raise DataError(f"{questions} has no column question and event_id ({error}); give a Parquet file") from None
    markets = [_market(number, row) for number, row in enumerate(table.to_pylist())]
    matcher, written = Matcher(markets), json.loads(HEADLINES.read_text(encoding="utf-8"))["headlines"]
    precision, recall, wrong = [], [], 0
    for headline in written:
        wanted = {m.market_id for m in markets if any(re.search(p, m.question) for p in headline["about"])}
        found = set(matcher.markets_of(Item("", headline["text"], 0, 0, ())))
        right = len(found & wanted)
        precision += [right / len(found)] if found else []
        recall += [right / len(wanted)] if wanted else []
        wrong += bool(found) and not wanted
    none = sum(not headline["about"] for headline in written)
    return {
        "questions": len(markets),
        "headlines": len(written),
        "precision": mean_interval(precision, samples=SAMPLES, seed=1),
        "recall": mean_interval(recall, samples=SAMPLES, seed=1),
        "about_no_market": none,
        "of_these_matched": wrong,
    }


def _market(number: int, row: Row) -> Market:
    return Market(
        market_id=f"0x{number:064x}", event_id=str(row["event_id"]), question=str(row["question"]), token_yes="1",
        token_no="2", tick_units=100, min_size_micro=5_000_000, fee=FeeSchedule(0.0), start_s=None, end_s=None,
        topic="",
    )  # fmt: skip


if __name__ == "__main__":
    main()
