"""Which markets a headline is about: what the entry names itself, else the names in the market's question.

A question names several things: "Will Paul LePage be the Republican nominee for ME-02?" a person, a party and a seat. A
headline is about a market when it names what the question is about, the first name or a side of "vs.", and, where the
question has further names, one of those too: "Bulgaria" alone is not "Bulgaria at Eurovision". A name of two words or
more that the questions of few events share needs no second one: "Paul LePage". A person is also known by the last name,
where the headline writes it large and no other market has it.
"""

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from pipelines.core.domain import Headline, Market
from pipelines.news.rss import Item

_CAPITALISED: Final = """
    will the a an is are was were does do did has have who what which when how up down yes no by on in of or and be to
    et pm am january february march april may june july august september october november december jan feb mar apr jun
    jul aug sep oct nov dec monday tuesday wednesday thursday friday saturday sunday spread map game set match total
    totals both teams team score over under odd even o/u u ou rounds kills handicap winner end ends daytime draw bo1 bo3
    bo5 stage group week season high low close above below between before after if there any at with from for as into
    new more less than first last next vs v out off not it its this that
"""
_NOT_NAMES: Final = frozenset(_CAPITALISED.split())
"""Words that begin with a capital letter without naming anything."""
_LINKS: Final = frozenset({"of", "de", "da", "di", "del", "van", "von", "der", "al", "el", "la", "le", "the", "&"})
"""Words inside a name that begin with a small letter."""
SPECIFIC_EVENTS: Final = 12
"""A name of two words or more in the questions of so many events or fewer is specific."""
_CLUB: Final = frozenset({"fc", "sc", "cf", "ec", "ac", "afc", "bc", "cd", "fk", "sk", "ca", "ad", "club", "esports"})
"""Words that many clubs have in their names."""
_VERSUS: Final = re.compile(r"\bvs?\.?(?=\s)")
_GIVEN_AND_LAST: Final = 2
_LONG: Final = 3
_LONGEST: Final = 7
_SHORTEST_ALONE: Final = 4


def names(question: str) -> tuple[str, ...]:
    """The runs of capitalised words of a question, lower-cased, in their order, each once. May be empty.

    >>> names("Will Paul LePage be the Republican Nominee for ME-02?")
    ('paul lepage', 'republican nominee', 'me-02')
    >>> names("Game 2: Ends in Daytime?")
    ()
    """
    found: dict[str, None] = {}
    run: list[str] = []
    for word in [*_words(question), ""]:
        if _is_name(word):
            run.append(word.lower())
        elif run and word in _LINKS:
            run.append(word)
        elif run:
            while run and run[-1] in _LINKS:
                run.pop()
            if len(name := " ".join(run)) >= 3:
                found[name] = None
            run = []
    return tuple(found)


def subject(question: str) -> str:
    """The first name of a question: whom or what it is about. May be empty.

    >>> subject("Will Farah Tanaka take a seat?")
    'farah tanaka'
    """
    return next(iter(names(question)), "")


def _words(text: str) -> list[str]:
    """Words with a mark wherever punctuation ends a name; without a possessive."""
    marked = re.sub(r"\([^()]*\)", " ", text)  # a ticker or a handicap
    marked = re.sub(r"[:;,()?!\"“”]|\s[-–—]\s|'s\b|’s\b", " | ", marked)
    return [word.strip("'’.-") or "|" for word in re.findall(r"[^\W_][\w&'’.\-]*|[|&]", marked)]


def _is_name(word: str) -> bool:
    return word[:1].isupper() and word.lower() not in _NOT_NAMES


def aliases(name: str) -> tuple[str, ...]:
    """Other ways to write a name: without the words that clubs share, and without the first word of a long one.

    >>> aliases("kashima antlers fc"), aliases("f1 chinese grand prix")
    (('kashima antlers',), ('chinese grand prix',))
    """
    words = name.split()
    short = [word for word in words if word not in _CLUB]
    found = {" ".join(short)} if len(" ".join(short)) >= _SHORTEST_ALONE else set()
    if len(short) >= _LONG:
        found.add(" ".join(short[1:]))
    return tuple(sorted(found - {name}))


@dataclass(frozen=True, slots=True)
class _Life:
    market_id: str
    event_id: str
    start_s: int
    end_s: int
    names: tuple[str, ...]
    sides: int
    """How many of the names, from the first on, are what the question is about: two in "Devils vs. Rangers"."""

    @classmethod
    def of(cls, market: Market) -> "_Life":
        end_s = market.end_s if market.end_s is not None else 2**62
        about = names(market.question)
        versus = _VERSUS.search(market.question)
        sides = len(names(market.question[: versus.start()])) + 1 if versus else 1
        # What comes before the last name of the left side is the contest: "Counter-Strike: Alpha vs Beta".
        about = about[max(sides - 2, 0) :] if versus else about
        return cls(market.market_id, market.event_id, market.start_s or 0, end_s, about, 2 if versus else 1)


class Matcher:
    """Finds the markets of a headline among those alive when it became known."""

    def __init__(self, markets: Iterable[Market]) -> None:
        self._by_id: dict[str, list[_Life]] = defaultdict(list)
        self._by_name: dict[str, list[_Life]] = defaultdict(list)
        for market in markets:
            life = _Life.of(market)
            self._by_id[market.market_id].append(life)
            for name in life.names:
                self._by_name[name].append(life)
        self._events = {name: len({life.event_id for life in lives}) for name, lives in self._by_name.items()}
        self._known_as: dict[str, set[str]] = defaultdict(set)
        for name in self._by_name:
            for known in (name, *aliases(name)):
                self._known_as[known].add(name)
        self._last_names = self._unique_last_names()

    def _unique_last_names(self) -> dict[str, str]:
        """Last name -> full name, of persons' names whose last part no other name has."""
        owners: dict[str, set[str]] = defaultdict(set)
        for name in self._by_name:
            for part in name.split():
                owners[part].add(name)
        pairs = [(name.split()[-1], name) for name in self._by_name if len(name.split()) == _GIVEN_AND_LAST]
        return {last: name for last, name in pairs if len(last) >= _SHORTEST_ALONE and owners[last] == {name}}

    def markets_of(self, item: Item) -> tuple[str, ...]:
        """Market ids, sorted; empty when the headline is about none."""
        named = [life for key in item.about for one in _ids(key) for life in self._by_id.get(one, ())]
        found = named or self._about(item.text)
        return tuple(sorted({life.market_id for life in found if life.start_s <= item.known_s <= life.end_s}))

    def _about(self, text: str) -> list[_Life]:
        seen = self._seen(text)
        candidates = {id(life): life for name in seen for life in self._by_name[name]}
        return [life for life in candidates.values() if self._matches(life, seen)]

    def _matches(self, life: _Life, seen: set[str]) -> bool:
        subjects = [name for name in life.names[: life.sides] if name in seen]
        if not subjects:
            return False
        others = life.names[life.sides :]
        specific = any(" " in name and self._events[name] <= SPECIFIC_EVENTS for name in subjects)
        alone = specific or len(life.names) == 1 or (life.sides > 1 and any(" " in name for name in subjects))
        return alone or len(subjects) > 1 or any(name in seen for name in others)

    def _seen(self, text: str) -> set[str]:
        """Names of questions that the text has word for word, and persons whose last name it writes large."""
        words = _words(text)
        small = [word.lower() for word in words]
        found: set[str] = set()
        for begin, word in enumerate(words):
            if not word[:1].isupper() and not word[:1].isdigit():
                continue
            for length in range(1, _LONGEST + 1):
                found |= self._known_as.get(" ".join(small[begin : begin + length]), set())
            if small[begin] in self._last_names and word[:1].isupper():
                found.add(self._last_names[small[begin]])
        return found


def _ids(text: str) -> Iterable[str]:
    """The ids inside a link or category: the text itself, and its last path element or fragment."""
    yield text
    yield re.split(r"[/#=]", text.rstrip("/"))[-1]


def headlines(items: Iterable[Item], markets: Iterable[Market]) -> list[Headline]:
    """Unscored headlines of items that are about at least one market."""
    matcher = Matcher(markets)
    matched = ((item, matcher.markets_of(item)) for item in items)
    return [Headline(i.item_id, ids, i.published_s, i.known_s, i.text) for i, ids in matched if ids]
