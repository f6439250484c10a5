"""Headlines reach their markets once, and a source that is away costs nothing that is known."""

from collections.abc import Sequence

from pipelines.core.domain import FeeSchedule, Market
from pipelines.core.errors import VenueUnavailable
from pipelines.news.rss import Item
from serving.market.headlines import HeadlinePoller

MARKET = Market(
    market_id="0xm",
    event_id="e",
    question="Will Farah Tanaka win?",
    token_yes="1",
    token_no="2",
    tick_units=100,
    min_size_micro=1,
    fee=FeeSchedule(0.0),
    start_s=0,
    end_s=None,
    topic="other",
)


class Counting:
    """A scorer that counts what it is asked, and can be taken away."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.away = False

    def score(self, texts: Sequence[str]) -> list[float]:
        """Half for each."""
        if self.away:
            raise VenueUnavailable("away")
        self.asked += texts
        return [0.5] * len(texts)


class Source:
    """Items that can be taken away."""

    def __init__(self) -> None:
        self.items: list[Item] = []
        self.away = False

    async def read(self) -> list[Item]:
        """The items, or the error of a source that is away."""
        if self.away:
            raise VenueUnavailable("away")
        return list(self.items)


async def test_each_headline_is_scored_once_and_reaches_its_market() -> None:
    """Polling again asks the scorer for nothing; a headline is handed over with its time and score."""
    source, scorer = Source(), Counting()
    wire = HeadlinePoller([source], scorer)
    source.items = [Item("a", "Farah Tanaka wins", 100, 105, ()), Item("b", "Nobody", 100, 100, ())]
    await wire.poll([MARKET])
    await wire.poll([MARKET])

    assert wire.of("0xm") == {"a": (105, 0.5)}
    assert scorer.asked == ["Farah Tanaka wins", "Nobody"]


async def test_a_market_that_comes_later_learns_what_is_known() -> None:
    """Headlines from before a market was followed count for it too."""
    source = Source()
    wire = HeadlinePoller([source], Counting())
    source.items = [Item("a", "Farah Tanaka wins", 100, 105, ())]
    await wire.poll([])
    wire.learn([MARKET])

    assert wire.of("0xm") == {"a": (105, 0.5)}


async def test_a_source_that_is_away_keeps_what_is_known() -> None:
    """Neither a feed that does not answer nor a scorer that fails stops the bot or loses a headline."""
    source = Source()
    wire = HeadlinePoller([source], Counting())
    source.items = [Item("a", "Farah Tanaka wins", 100, 105, ())]
    await wire.poll([MARKET])
    source.away = True
    await wire.poll([MARKET])

    assert wire.of("0xm") == {"a": (105, 0.5)}


async def test_a_headline_that_is_told_once_waits_for_its_score() -> None:
    """A scorer that is away, or another source that fails, loses no headline, though its source tells it only once."""
    source, broken, scorer = Source(), Source(), Counting()
    wire = HeadlinePoller([source, broken], scorer)
    source.items = [Item("a", "Farah Tanaka wins", 100, 105, ())]
    broken.away = scorer.away = True
    await wire.poll([MARKET])
    assert wire.of("0xm") == {}

    source.items, scorer.away = [], False
    await wire.poll([MARKET])

    assert wire.of("0xm") == {"a": (105, 0.5)}
