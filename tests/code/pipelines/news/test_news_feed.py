"""RSS and Atom are read with the time from which each entry was known, matched to markets and scored."""

import asyncio
from collections.abc import Callable

import httpx2
import pytest

from pipelines.core.domain import FeeSchedule, Market
from pipelines.core.errors import VenueUnavailable
from pipelines.news import matching, rss, scorers
from pipelines.news.rss import Item

MARKET_ID = "0x" + "ab" * 32
RSS = f"""<?xml version="1.0"?><rss version="2.0" xmlns:oddsmith="urn:oddsmith:news"><channel><title>t</title>
<item><title>Farah Tanaka wins again</title><guid>b</guid><pubDate>Fri, 16 Jan 2026 23:33:22 GMT</pubDate>
<oddsmith:known_s>1768606440</oddsmith:known_s><category>{MARKET_ID}</category></item>
<item><title>Older</title><guid>a</guid><pubDate>Fri, 16 Jan 2026 22:00:00 +0100</pubDate></item>
<item><title>No time</title><guid>c</guid></item>
<item><title></title><guid>d</guid><pubDate>Fri, 16 Jan 2026 22:00:00 GMT</pubDate></item>
</channel></rss>""".encode()
ATOM = b"""<?xml version="1.0"?><feed xmlns="http://www.w3.org/2005/Atom"><title>t</title><entry>
<title>Bitcoin &amp; friends rally</title><id>x</id><updated>2026-01-16T23:33:22Z</updated>
<link href="https://news.test/markets/btc"/></entry></feed>"""


def market(question: str, market_id: str = MARKET_ID, start_s: int = 0, end_s: int | None = None) -> Market:
    """A market that asks a question."""
    return Market(
        market_id=market_id,
        event_id="e",
        question=question,
        token_yes="1",
        token_no="2",
        tick_units=100,
        min_size_micro=5_000_000,
        fee=FeeSchedule(0.0),
        start_s=start_s,
        end_s=end_s,
        topic="other",
    )


def item(text: str, known_s: int = 100, about: tuple[str, ...] = ()) -> Item:
    """An entry of a feed."""
    return Item(text, text, known_s, known_s, about)


def test_rss_gives_entries_in_time() -> None:
    """Entries come oldest first in UTC; what has no time or title is left out; the feed's own known-at time counts."""
    found = rss.parse(RSS, "test")

    assert [i.item_id for i in found] == ["a", "b"]
    assert (found[0].published_s, found[0].known_s) == (1_768_597_200, 1_768_597_200)
    assert (found[1].published_s, found[1].known_s) == (1_768_606_402, 1_768_606_440)
    assert MARKET_ID in found[1].about


def test_atom_is_read_too() -> None:
    """An Atom entry has its id, text, time and link."""
    (found,) = rss.parse(ATOM, "test")

    assert (found.item_id, found.text, found.published_s) == ("x", "Bitcoin & friends rally", 1_768_606_402)
    assert found.about == ("https://news.test/markets/btc",)


@pytest.mark.parametrize("content", [b"", b"<html><body>Sign in</body></html>", b'{"articles": []}'])
def test_what_is_no_feed_is_refused(content: bytes) -> None:
    """A page or JSON instead of a feed is an error, not an empty feed."""
    with pytest.raises(VenueUnavailable, match="no RSS or Atom feed"):
        rss.parse(content, "test")


def _slow(request: httpx2.Request) -> httpx2.Response:
    raise httpx2.ReadTimeout("", request=request)


@pytest.mark.parametrize("answer", [lambda _: httpx2.Response(503), _slow])
async def test_a_feed_that_is_away_is_named(answer: Callable[[httpx2.Request], httpx2.Response]) -> None:
    """The error says which address and how to turn headlines off, also where the library's error says nothing."""
    async with httpx2.AsyncClient(transport=httpx2.MockTransport(answer)) as client:
        with pytest.raises(VenueUnavailable, match=r"http://news\.test.*ODDSMITH_NEWS_URL"):
            await rss.Feed(client, "http://news.test").read()


async def test_a_feed_is_asked_for_what_changed() -> None:
    """The tags of the last answer that could be read go with the next request; nothing new is no entries."""
    answers = [
        httpx2.Response(200, content=RSS, headers={"ETag": '"1"', "Last-Modified": "Fri, 16 Jan 2026 23:34:00 GMT"}),
        httpx2.Response(304),
        httpx2.Response(200, content=b"<html>Sign in</html>", headers={"ETag": '"wall"'}),
        httpx2.Response(226, content=ATOM, headers={"ETag": '"2"', "IM": "feed"}),
        httpx2.Response(304),
    ]
    asked: list[httpx2.Request] = []

    def respond(request: httpx2.Request) -> httpx2.Response:
        asked.append(request)
        return answers[len(asked) - 1]

    async with httpx2.AsyncClient(transport=httpx2.MockTransport(respond)) as client:
        source = rss.Feed(client, "http://news.test")
        told = [await source.read(), await source.read()]
        with pytest.raises(VenueUnavailable):
            await source.read()
        told += [await source.read(), await source.read()]

    assert [[i.item_id for i in items] for items in told] == [["a", "b"], [], ["x"], []]
    assert [r.headers.get("if-none-match") for r in asked] == [None, '"1"', '"1"', '"1"', '"2"']
    assert {r.headers.get("if-modified-since") for r in asked[1:]} == {"Fri, 16 Jan 2026 23:34:00 GMT"}
    assert {r.headers["a-im"] for r in asked} == {"feed"}


@pytest.mark.parametrize(("stated", "requests"), [("max-age=300", 1), ("max-age=0, no-cache", 2), ("", 2)])
async def test_a_feed_is_left_alone_while_its_answer_is_fresh(stated: str, requests: int) -> None:
    """The server's `max-age` decides when it is asked again, `poll_s` where it says none."""
    asked: list[str] = []

    def respond(request: httpx2.Request) -> httpx2.Response:
        asked.append(request.url.path)
        return httpx2.Response(200, content=RSS, headers={"Cache-Control": stated})

    async with httpx2.AsyncClient(transport=httpx2.MockTransport(respond)) as client:
        source = rss.Feed(client, "http://news.test", poll_s=0.05)
        await source.read()
        assert await source.read() == []
        await asyncio.sleep(0.06)
        await source.read()

    assert len(asked) == requests


@pytest.mark.parametrize(
    ("question", "about"),
    [
        ("Will Farah Tanaka take a seat in the Aldport council vote?", "farah tanaka"),
        ("Will the price of Bitcoin be between $100,000 and $102,000?", "bitcoin"),
        ("Bitcoin Up or Down - July 21, 10AM ET", "bitcoin"),
        ("Will The Glass Harbour pass the jury?", "glass harbour"),
        ("Fed rate cut in March?", "fed"),
        ("who wins?", ""),
    ],
)
def test_the_subject_of_a_question(question: str, about: str) -> None:
    """A question is about the first name in it."""
    assert matching.subject(question) == about


def test_a_headline_is_about_the_markets_that_it_names() -> None:
    """An id in the entry decides; without one the subject's words must be in the text, whole and in order; a person's
    last name is enough, a given name is not."""
    matcher = matching.Matcher([market("Will Farah Tanaka win?"), market("Will Bitcoin rise?", "0x" + "cd" * 32)])

    assert matcher.markets_of(item("nothing in common", about=(MARKET_ID,))) == (MARKET_ID,)
    assert matcher.markets_of(item("Backers of Farah Tanaka's party celebrate")) == (MARKET_ID,)
    assert matcher.markets_of(item("Tanaka disagrees")) == (MARKET_ID,)
    assert matcher.markets_of(item("Farah and her friends disagree")) == ()
    assert matcher.markets_of(item("a tanaka screen is sold")) == ()
    assert matcher.markets_of(item("Bitcoin and Farah Tanaka")) == (MARKET_ID, "0x" + "cd" * 32)


def _matched(text: str, *questions: str) -> list[int]:
    ids = [f"0x{number:064x}" for number in range(len(questions))]
    matcher = matching.Matcher([market(question, one) for question, one in zip(questions, ids, strict=True)])
    return [ids.index(one) for one in matcher.markets_of(item(text))]


@pytest.mark.parametrize(
    ("text", "question", "about"),
    [
        ("A board game with a map of the north", "Game 2: Ends in Daytime?", False),
        ("Spread of flu slows", "Spread: Aldport Rovers (-1.5)", False),
        ("Aldport Rovers sell their striker", "Spread: Aldport Rovers (-1.5)", True),
        ("Rovers meet Harriers on Sunday", "Rovers vs. Harriers: O/U 2.5", True),
        ("Dunmere Harriers lose their coach", "Aldport Rovers vs. Dunmere Harriers: Both Teams to Score", True),
        ("Brenholm raises pensions", "Will Brenholm be in the top 3 at the Grand Song Prize?", False),
        (
            "Brenholm picks its song for the Grand Song Prize",
            "Will Brenholm be in the top 3 at the Grand Song Prize?",
            True,
        ),
        ("Castell Optics sells a factory", "Will Castell Optics (CSTO) close above $40 in March?", True),
        ("Quiet week at the fund", "Will the highest temperature in Eskford be 4°C on May 2?", False),
        ("Tanaka leads in the north", "Will Farah Tanaka be the Blue nominee for DN-02?", True),
    ],
)
def test_a_headline_names_what_a_question_is_about(text: str, question: str, about: bool) -> None:
    """The words of a kind of market (game, map, spread) name nothing; a side of a match is enough where it has two
    words; a single word with further names in the question needs one of those too."""
    assert bool(_matched(text, question)) is about


def test_a_last_name_that_two_persons_share_is_nobodys() -> None:
    """Where two questions are about persons with one last name, it takes the full name."""
    questions = ("Will Farah Tanaka win?", "Will Ilan Tanaka win?")
    assert _matched("Tanaka wins a debate", *questions) == []
    assert _matched("Ilan Tanaka wins a debate", *questions) == [1]


def test_only_markets_alive_then_are_meant() -> None:
    """A headline before a market's start or after its end is not about it."""
    matcher = matching.Matcher([market("Will Farah Tanaka win?", start_s=50, end_s=150)])

    assert [matcher.markets_of(item("Farah Tanaka wins", t)) for t in (49, 100, 151)] == [(), (MARKET_ID,), ()]


def test_scores_follow_the_tone() -> None:
    """VADER scores good news up, bad news down, figures neutral, all within [-1, 1]; equal texts alike."""
    texts = ["A superb success and a great win", "New figures are published", "A terrible failure and a painful loss"]
    headlines = matching.headlines([item(t) for t in texts], [market("Will A Superb Thing win?")])
    values = scorers.Vader().score(texts)

    assert values[0] > 0.5
    assert abs(values[1]) < 0.1
    assert values[2] < -0.5
    assert all(h.sentiment is not None for h in scorers.scored(headlines, scorers.Vader()))
