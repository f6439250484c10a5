"""Headlines as they become known, scored once, handed to each market's decaying sum bar by bar."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable

from pipelines.core import log
from pipelines.core.domain import Market
from pipelines.core.errors import OddsmithError
from pipelines.news import feed
from pipelines.news.decay import Decay
from pipelines.news.matching import Matcher
from pipelines.news.scorers import Scorer

_log = log.get("news")


class Newswire:
    """The headlines that `read` gives, scored. Without any every sentiment is neutral."""

    def __init__(self, read: Callable[[], Awaitable[list[feed.Item]]], scorer: Scorer) -> None:
        self._read = read
        self._scorer = scorer
        self._items: dict[str, feed.Item] = {}
        self._scores: dict[str, float] = {}
        self._by_market: dict[str, dict[str, tuple[int, float]]] = defaultdict(dict)

    async def poll(self, markets: Iterable[Market]) -> None:
        """Read and score what is new; a source or scorer that does not answer leaves what is known."""
        try:
            items = await self._read()
            fresh = [item for item in items if item.item_id not in self._items]
            scores = await asyncio.to_thread(self._scorer.score, [item.text for item in fresh]) if fresh else []
        except OddsmithError as error:
            _log.warning("no headlines", error=str(error))
            return
        self._items |= {item.item_id: item for item in fresh}
        self._scores |= {item.item_id: score for item, score in zip(fresh, scores, strict=True)}
        self._match(fresh, markets)

    def learn(self, markets: Iterable[Market]) -> None:
        """Match what is known already to markets that are new."""
        self._match(self._items.values(), markets)

    def _match(self, items: Iterable[feed.Item], markets: Iterable[Market]) -> None:
        matcher = Matcher(markets)
        for item in items:
            for market_id in matcher.markets_of(item):
                self._by_market[market_id][item.item_id] = (item.known_s, self._scores[item.item_id])

    def forget(self, market_id: str) -> None:
        """Drop a market that has left."""
        self._by_market.pop(market_id, None)

    def of(self, market_id: str) -> dict[str, tuple[int, float]]:
        """Item id -> (known at, score) of a market's headlines."""
        return self._by_market.get(market_id, {})


class Mood:
    """The sentiment of one market: each headline enters once, at the first bar that closes after it was known."""

    def __init__(self) -> None:
        self._decay = Decay()
        self._used: set[str] = set()

    def at(self, ts_s: int, headlines: dict[str, tuple[int, float]]) -> float:
        """Sentiment at a bar's close."""
        due = [name for name, (known_s, _) in headlines.items() if known_s <= ts_s and name not in self._used]
        self._used.update(due)
        return self._decay.push(ts_s, sorted(headlines[name] for name in due))
