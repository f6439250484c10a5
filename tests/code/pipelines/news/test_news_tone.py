"""The scorer `tone`: a model of this project that reads what a lexicon of words misreads."""

import subprocess
import sys

import numpy as np
import pytest

from pipelines.core.params import load
from pipelines.core.settings import Settings
from pipelines.news import scorers
from pipelines.news.tone import LENGTH, PADDING, UNKNOWN, Tone, encoded, words_of
from simulator.markets.hard_sentences import IRONIES, IRRELEVANT, PARAPHRASES
from simulator.markets.sentences import TONES


@pytest.fixture(scope="module")
def tone():
    """The model that comes with the program."""
    return Tone()


def _right(scorer, sentences, subject="Alden Marsh"):
    meant = np.array([value for value, _ in sentences])
    said = np.array(scorer.score([text.format(s=subject) for _, text in sentences]))
    weighty = np.abs(meant) >= 0.25
    return float(np.mean(np.sign(said[weighty]) == np.sign(meant[weighty])))


def test_it_reads_what_vader_misreads(tone):
    """On paraphrases and ironies of other templates than those of its training it has far more right signs than
    VADER, and on plain sentences it has most."""
    vader = scorers.Vader()
    assert _right(tone, PARAPHRASES) > _right(vader, PARAPHRASES) + 0.3
    assert _right(tone, IRONIES) > _right(vader, IRONIES) + 0.3
    assert _right(tone, TONES) > 0.75


def test_words_of_feeling_about_something_else_say_less_to_it(tone):
    """Headlines about something else than the chances of the subject move its score less than VADER's."""
    texts = [text.format(s="Varga Mills") for text in IRRELEVANT]
    ours, theirs = (np.mean(np.abs(one.score(texts))) for one in (tone, scorers.Vader()))
    assert ours < 0.75 * theirs


def test_a_name_says_nothing(tone):
    """The score of a sentence does not depend on whom it is about: names are unknown words of no valence."""
    said = [tone.score([f"{name} wins the backing of an important group"])[0] for name in ("Qorl Zepu", "Dalia Ashby")]
    assert said[0] == pytest.approx(said[1], abs=1e-6)


def test_scores_do_not_depend_on_company(tone):
    """A text has the same score alone and among many, in order, within [-1, 1]; nothing gives nothing; a text without a
    word, one of a thousand words and one in another script have a score too."""
    texts = [text.format(s="Berit Okafor") for _, text in TONES * 4] + ["", "!", "word " * 1_000, "новости"]
    together = tone.score(texts)
    assert np.allclose(together, [tone.score([text])[0] for text in texts], atol=1e-5)
    assert np.all(np.abs(together) <= 1.0)
    assert np.all(np.isfinite(together))
    assert tone.score(["", "новости"]) == [0.0, 0.0]
    assert tone.score([]) == []


def test_words_are_numbered_and_valued():
    """Known words have their number, others the unknown one; valences are a quarter of the lexicon's; the rest is
    padding; a possessive and capital letters make no other word."""
    numbers, valences = encoded(["Marsh's great WIN!"], {"win": 7, "!": 3}, {"great": 3.2})
    assert numbers[0, :5].tolist() == [UNKNOWN, UNKNOWN, 7, 3, PADDING]
    assert valences[0, 1] == pytest.approx(0.8)
    assert numbers.shape == (1, LENGTH)
    assert words_of("Marsh’s day") == ["marsh", "day"]


def test_it_is_chosen_by_name_and_loads_nothing_heavy():
    """`news.scorer: tone` gives it; the process that scores imports neither torch nor tensorflow."""
    params = load().news.model_copy(update={"scorer": "tone"})
    assert isinstance(scorers.make(params, Settings()), Tone)
    script = (
        "import sys; from pipelines.news.tone import Tone; assert abs(Tone().score(['good'])[0]) <= 1;"
        "assert not {'torch', 'tensorflow', 'pandas'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]


def test_none_of_the_sentences_it_is_judged_on_was_in_its_training():
    """Without the subject, no sentence of the simulator is one that the grammar of the training writes."""
    from benchmarks.tone.grammar import sample

    taught = {" ".join(words_of(one.text)) for one in sample(4_000, np.random.default_rng(0))}
    judged = [text for _, text in (*TONES, *PARAPHRASES, *IRONIES)] + list(IRRELEVANT)
    for text in judged:
        assert " ".join(words_of(text.format(s="Qorl Zepu"))) not in taught
    assert len(taught) > 3_000
