"""Rules of the news: its tone carries the sentiment that moved the market."""

import numpy as np
import pytest

from simulator.markets.events import Family, build
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
