"""Which markets a headline is about: what the entry names itself, else the subject of the market's question."""

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from pipelines.core.domain import Headline, Market
from pipelines.news.rss import Item

_CAPITALISED: Final = """
    will the a an is are was were does do did has have who what which when how up down yes no by on in of or and be to
    et pm am january february march april may june july august september october november december
"""
_NOT_NAMES: Final = frozenset(_CAPITALISED.split())
"""Words that begin with a capital letter without naming anything."""


def subject(question: str) -> str:
    """The first run of capitalised words of a question, lower-cased: whom or what it is about. May be empty.

    "Will Farah Tanaka take a seat?" is about "farah tanaka".
    """
    run: list[str] = []
    for word in re.findall(r"[A-Za-z0-9&'’.\-]+", question):
        plain = word.strip("'’.-")
        if plain[:1].isupper() and (run or plain.lower() not in _NOT_NAMES):
            if plain.lower() in _NOT_NAMES - {"the", "a"}:
                break
            run.append(plain.lower())
        elif run:
            break
        elif plain.lower() in ("the", "a") and plain[:1].isupper():
            continue
    return " ".join(run)


@dataclass(frozen=True, slots=True)
class _Life:
    market_id: str
    start_s: int
    end_s: int


class Matcher:
    """Finds the markets of a headline among those alive when it became known."""

    def __init__(self, markets: Iterable[Market]) -> None:
        self._by_name: dict[str, list[_Life]] = defaultdict(list)
        self._by_subject: dict[str, list[_Life]] = defaultdict(list)
        for market in markets:
            life = _Life(market.market_id, market.start_s or 0, market.end_s if market.end_s is not None else 2**62)
            self._by_name[market.market_id].append(life)
            about = subject(market.question)
            if len(about) >= 3:
                self._by_subject[about].append(life)

    def markets_of(self, item: Item) -> tuple[str, ...]:
        """Market ids, sorted; empty when the headline is about none."""
        named = [life for name in item.about for key in _names(name) for life in self._by_name.get(key, ())]
        found = named or [life for about in self._subjects(item.text) for life in self._by_subject[about]]
        return tuple(sorted({life.market_id for life in found if life.start_s <= item.known_s <= life.end_s}))

    def _subjects(self, text: str) -> Iterable[str]:
        """Subjects that the text contains word for word: runs of its words, looked up."""
        words = [
            w.strip("'’.-").removesuffix("'s").removesuffix("’s") for w in re.findall(r"[a-z0-9&'’.\-]+", text.lower())
        ]
        for length in range(1, 6):
            for begin in range(len(words) - length + 1):
                run = " ".join(words[begin : begin + length])
                if run in self._by_subject:
                    yield run


def _names(text: str) -> Iterable[str]:
    """The ids inside a link or category: the text itself, and its last path element or fragment."""
    yield text
    yield re.split(r"[/#=]", text.rstrip("/"))[-1]


def headlines(items: Iterable[Item], markets: Iterable[Market]) -> list[Headline]:
    """Unscored headlines of items that are about at least one market."""
    matcher = Matcher(markets)
    matched = ((item, matcher.markets_of(item)) for item in items)
    return [Headline(i.item_id, ids, i.published_s, i.known_s, i.text) for i, ids in matched if ids]
