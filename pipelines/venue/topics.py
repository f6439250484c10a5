"""What a market is about, from its words or tags, and the taker fee that the venue charges for it."""

import re
from collections.abc import Iterable
from typing import Final

from pipelines.core.domain import FeeSchedule

_WORDS: Final = {
    "crypto": "bitcoin btc ethereum eth solana sol xrp crypto dogecoin coin token airdrop",
    "sports": (
        "nba nfl mlb nhl ufc fifa tennis soccer football baseball basketball hockey atp wta vs match game cup league"
        " sports"
    ),
    "geopolitics": "war ceasefire invade invasion nato missile russia ukraine israel iran gaza taiwan geopolitics",
    "politics": (
        "election president presidential senate congress governor minister parliament vote trump biden democrat"
        " republican politics nominee"
    ),
    "economics": "fed rate inflation cpi gdp unemployment recession fomc economy economics",
    "finance": "stock stocks nasdaq sp500 s&p earnings ipo gold oil finance",
    "weather": "temperature rain snow hurricane weather storm degrees",
    "tech": "ai openai google apple tesla spacex model launch tech",
    "culture": "oscar oscars grammy movie album song box office culture celebrity",
}
_TOPIC_OF: Final = {word: topic for topic, words in _WORDS.items() for word in words.split()}

FEE_RATES: Final = {
    "crypto": 0.07,
    "sports": 0.05,
    "finance": 0.04,
    "politics": 0.04,
    "tech": 0.04,
    "economics": 0.05,
    "culture": 0.05,
    "weather": 0.05,
    "geopolitics": 0.0,
}
"""Taker fee rates by category since 2026-07-10 (the venue's fee page); used where a market states no schedule."""


def topic_of(texts: Iterable[str]) -> str:
    """The topic named most often in the texts, `other` when none is. Ties go to the one named first."""
    found: dict[str, int] = {}
    for text in texts:
        for word in re.findall(r"[a-z0-9&]+", text.lower()):
            topic = _TOPIC_OF.get(word)
            if topic:
                found[topic] = found.get(topic, 0) + 1
    return max(found, key=lambda topic: found[topic]) if found else "other"


def usual_fee(topic: str) -> FeeSchedule:
    """The venue's schedule for a topic; the highest common rate where the topic is unknown."""
    return FeeSchedule(FEE_RATES.get(topic, 0.05))
