"""Headlines as they become known, scored once, handed to each market's decaying sum bar by bar."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence

from pipelines.core import log
from pipelines.core.domain import Market
from pipelines.core.errors import OddsmithError
from pipelines.news import rss
from pipelines.news.decay import Decay
from pipelines.news.matching import Matcher
from pipelines.news.scorers import Scorer
from pipelines.news.sources import TextSource
from serving import metrics

_log = log.get("news")


class HeadlinePoller:
    """The headlines of all sources, scored. Without any every sentiment is neutral."""

    def __init__(self, sources: Sequence[TextSource], scorer: Scorer) -> None:
        self._sources = sources
        self._scorer = scorer
        for number in range(1, len(sources) + 1):
            metrics.NEWS_LAST.labels(str(number)).set(time.time())
        self._waiting: dict[str, rss.Item] = {}
        self._items: dict[str, rss.Item] = {}
        self._scores: dict[str, float] = {}
        self._by_market: dict[str, dict[str, tuple[int, float]]] = defaultdict(dict)

    async def poll(self, markets: Iterable[Market]) -> None:
        """Read and score what is new; a source or scorer that does not answer leaves what is known.

        What was read and not scored waits for the next poll: a source may tell it only once.
        """
        for number, source in enumerate(self._sources, 1):
            try:
                items = await source.read()
            except OddsmithError as error:
                metrics.NEWS_ERRORS.labels(f"source {number}").inc()
                _log.warning("no headlines", source=number, error=str(error))
                continue
            new = {item.item_id: item for item in items if item.item_id not in self._items}
            if new:
                metrics.NEWS_LAST.labels(str(number)).set(time.time())
            self._waiting |= new
        fresh = list(self._waiting.values())
        try:
            scores = await asyncio.to_thread(self._scorer.score, [item.text for item in fresh]) if fresh else []
        except OddsmithError as error:
            metrics.NEWS_ERRORS.labels("scorer").inc()
            _log.warning("headlines wait for their score", headlines=len(fresh), error=str(error))
            return
        self._waiting = {}
        self._items |= {item.item_id: item for item in fresh}
        self._scores |= {item.item_id: score for item, score in zip(fresh, scores, strict=True)}
        self._match(fresh, markets)

    def learn(self, markets: Iterable[Market]) -> None:
        """Match what is known already to markets that are new."""
        self._match(self._items.values(), markets)

    def _match(self, items: Iterable[rss.Item], markets: Iterable[Market]) -> None:
        matcher = Matcher(markets)
        for item in items:
            for market_id in matcher.markets_of(item):
                self._by_market[market_id][item.item_id] = (item.known_s, self._scores[item.item_id])

    def forget(self, market_id: str) -> None:
        """Drop a market that has left."""
        self._by_market.pop(market_id, None)

    def texts(self, market_id: str, limit: int = 20) -> list[tuple[int, str, float]]:
        """The newest headlines of a market: (known at, text, tone in [-1, 1]), newest first."""
        found = self._by_market.get(market_id, {}).items()
        newest = sorted(found, key=lambda pair: -pair[1][0])[:limit]
        return [(known_s, self._items[name].text, score) for name, (known_s, score) in newest]

    def of(self, market_id: str) -> dict[str, tuple[int, float]]:
        """Item id -> (known at, score) of a market's headlines."""
        return self._by_market.get(market_id, {})


class MarketSentiment:
    """The sentiment of one market: each headline enters once, at the first bar that closes after it was known."""

    def __init__(self) -> None:
        self._decay = Decay()
        self._used: set[str] = set()

    def at(self, ts_s: int, headlines: dict[str, tuple[int, float]]) -> tuple[float, list[tuple[int, float]]]:
        """Sentiment at a bar's close, and the (known at, score) pairs that entered it now, by time."""
        due = [name for name, (known_s, _) in headlines.items() if known_s <= ts_s and name not in self._used]
        self._used.update(due)
        entered = sorted(headlines[name] for name in due)
        return self._decay.push(ts_s, entered), entered
