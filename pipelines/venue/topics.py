"""What a market is about, from its words or tags."""

import re
from collections.abc import Iterable
from typing import Final

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


def topic_of(texts: Iterable[str]) -> str:
    """The topic named most often in the texts, `other` when none is. Ties go to the one named first."""
    found: dict[str, int] = {}
    for text in texts:
        for word in re.findall(r"[a-z0-9&]+", text.lower()):
            topic = _TOPIC_OF.get(word)
            if topic:
                found[topic] = found.get(topic, 0) + 1
    return max(found, key=lambda topic: found[topic]) if found else "other"
