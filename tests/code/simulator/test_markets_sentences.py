"""Rules of the news: its tone carries the sentiment that moved the market."""

import numpy as np
import pytest

from simulator.markets.events import Family, build
from simulator.markets.hard_sentences import IRONIES, IRRELEVANT, PARAPHRASES, Styles
from simulator.markets.price_model import Model
from simulator.markets.questions import TOPICS
from simulator.markets.sentences import TONES, sentence

vader = pytest.importorskip("vaderSentiment.vaderSentiment", reason="vaderSentiment (extra serve) is not installed")


def test_tones_are_what_vader_says():
    """The number before each sentence is its VADER score for any subject the markets can have."""
    analyzer = vader.SentimentIntensityAnalyzer()
    subjects = [f"{first} {last}" for topic in TOPICS for first in topic.subjects for last in topic.kinds]

    for tone, text in TONES:
        assert analyzer.polarity_scores(text.format(s=subjects[0]))["compound"] == pytest.approx(tone, abs=1e-4)
    for subject in subjects:
        assert analyzer.polarity_scores(subject)["compound"] == 0.0, subject


def test_tone_follows_sentiment():
    """Scored headlines correlate above 0.95 with the sentiments of their markets, with varied sentences."""
    analyzer = vader.SentimentIntensityAnalyzer()
    events = [build(Family(3, Model()), number) for number in range(30)]
    scored, meant = [], []
    for event in events:
        column = {listing.market_id: event.sentiment[index] for index, listing in enumerate(event.listings)}
        for headline in event.headlines:
            minute = (headline.known_s - event.start_s) // 60
            scored.append(analyzer.polarity_scores(headline.text)["compound"])
            meant.append(column[headline.market_ids[0]][minute])

    assert len(scored) > 500
    assert np.corrcoef(scored, meant)[0, 1] > 0.95
    assert len({headline.text for event in events for headline in event.headlines}) > 0.8 * len(scored)


def test_tones_are_sorted_and_cover_the_range():
    """Sentences are listed by tone, from -0.95 to 0.95, without a gap wider than 0.23."""
    tones = [tone for tone, _ in TONES]

    assert tones == sorted(tones)
    assert tones[0] < -0.95
    assert tones[-1] > 0.95
    assert max(np.diff(tones)) < 0.23


def test_a_headline_names_its_subject():
    """The sentence is about the subject, whatever the tone and the pick."""
    for sentiment in (-1.0, -0.3, 0.0, 0.4, 1.0):
        assert "Alden Marsh" in sentence(sentiment, "Alden Marsh", 0.99)


def test_styles_change_words_and_no_price():
    """Hard headlines leave every price and every plain world as they are; shares are as asked; headlines without news
    come on top, at other minutes, with ids of their own."""
    plain, hard = (
        [build(Family(5, Model(), styles=styles), number) for number in range(40)]
        for styles in (Styles(), Styles(paraphrase=0.3, irony=0.2, irrelevant=0.5))
    )
    known = {one.headline_id: one.text for event in plain for one in event.headlines}
    told = {one.headline_id: one.text for event in hard for one in event.headlines}
    other = set(told) - set(known)
    changed = sum(told[key] != text for key, text in known.items()) / len(known)

    assert set(known) < set(told)
    assert 0.4 < changed < 0.55  # 0.3 + 0.2 of those with weight, 575 headlines
    assert 0.4 < len(other) / len(known) < 0.6
    for one, two in zip(plain, hard, strict=True):
        assert np.array_equal(one.sentiment, two.sentiment)
        assert np.array_equal(one.news, two.news)
        times = [headline.known_s for headline in two.headlines]
        assert times == sorted(times)
        loud = {(h.known_s - two.start_s) // 60 for h in two.headlines if h.headline_id in other}
        assert not any(two.news[minute] for minute in loud)
    again = [build(Family(5, Model(), styles=Styles(0.3, 0.2, 0.5)), number) for number in range(40)]
    assert [one.headlines for one in again] == [one.headlines for one in hard]


def test_vader_misreads_the_hard_sentences():
    """VADER has the sign of fewer than half of the paraphrases and of nearly no irony; and it hears feeling in most
    headlines about something else."""
    analyzer = vader.SentimentIntensityAnalyzer()

    def right(sentences):
        weighty = [(tone, text.format(s="Alden Marsh")) for tone, text in sentences if abs(tone) >= 0.25]
        said = [analyzer.polarity_scores(text)["compound"] for _, text in weighty]
        return np.mean([np.sign(tone) == np.sign(one) for (tone, _), one in zip(weighty, said, strict=True)])

    assert right(PARAPHRASES) < 0.6
    assert right(IRONIES) < 0.3
    heard = [abs(analyzer.polarity_scores(text.format(s="Varga Mills"))["compound"]) > 0.2 for text in IRRELEVANT]
    assert np.mean(heard) > 0.6


def test_hard_sentences_are_sorted_and_name_their_subject():
    """Tones ascend within [-1, 1], and every sentence is about the subject."""
    for sentences in (PARAPHRASES, IRONIES):
        tones = [tone for tone, _ in sentences]
        assert tones == sorted(tones)
        assert all("{s}" in text for _, text in sentences)
        assert -1.0 <= tones[0] < tones[-1] <= 1.0
    assert all("{s}" in text for text in IRRELEVANT)
