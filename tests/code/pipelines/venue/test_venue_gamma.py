"""Markets are listed through the keyset route, JSON inside JSON is parsed twice, and nothing is guessed."""

import json
from typing import Any

import httpx2
import pytest

from pipelines.core.domain import FeeSchedule, Market, Rewards
from pipelines.venue import gamma, gamma_rows
from pipelines.venue.http import VenueHttp


def row(**changes: Any) -> dict[str, Any]:
    """A market as Gamma writes it."""
    return {
        "id": "253591",
        "conditionId": "0x" + "ab" * 32,
        "question": "Will Bitcoin be above 100k?",
        "slug": "btc-100k",
        "clobTokenIds": '["11", "22"]',
        "outcomes": '["Yes", "No"]',
        "outcomePrices": '["1", "0"]',
        "orderPriceMinTickSize": 0.001,
        "orderMinSize": 5,
        "enableOrderBook": True,
        "acceptingOrders": True,
        "closed": False,
        "negRisk": True,
        "feesEnabled": True,
        "feeSchedule": {"exponent": 1, "rate": 0.07, "takerOnly": True, "rebateRate": 0.2},
        "startDate": "2026-01-01T00:00:00Z",
        "endDate": "2026-01-02T12:00:00Z",
        "events": [{"id": "77", "slug": "bitcoin-january", "title": "Bitcoin in January"}],
        "volumeNum": 1234.5,
        "umaResolutionStatus": "resolved",
    } | changes


def parse(**changes: Any) -> Market | None:
    """The parsed market."""
    return gamma_rows.read(row(**changes)).market


def test_the_hold_of_taking_orders_is_read():
    """The listing's milliseconds, else its whole seconds; without either orders are not held."""
    assert parse(takerDelayMs=150, secondsDelay=0).taker_delay_ms == 150
    assert parse(secondsDelay=3).taker_delay_ms == 3_000
    assert parse().taker_delay_ms == 0


def test_what_makers_are_paid_is_read_or_nothing():
    """The pool, its conditions and the part of the fee come from the listing; what cannot be read pays nothing."""
    pool = {"clobRewards": [{"rewardsDailyRate": 12.5}], "rewardsMinSize": "50", "rewardsMaxSpread": 3.5}

    assert parse(**pool).rewards == Rewards(12_500_000, 50_000_000, 350, 0.2)
    assert parse(**pool | {"rewardsMaxSpread": "wide"}).rewards == Rewards(rebate_share=0.2)
    assert parse(**pool | {"clobRewards": "all"}).rewards == Rewards(rebate_share=0.2)
    assert parse(feeSchedule={"exponent": 1, "rate": 0.07, "rebateRate": "much"}).rewards == Rewards()
    assert parse(feeSchedule={"exponent": 1, "rate": 0.07, "rebateRate": 7}).rewards == Rewards()


def test_a_market_is_read_to_the_field() -> None:
    """Tokens, tick, minimum, fee, dates, event and topic come from the market's own fields."""
    assert parse() == Market(
        market_id="0x" + "ab" * 32,
        event_id="bitcoin-january",
        question="Will Bitcoin be above 100k?",
        token_yes="11",
        token_no="22",
        tick_units=10,
        min_size_micro=5_000_000,
        fee=FeeSchedule(0.07, 1.0),
        start_s=1_767_225_600,
        end_s=1_767_355_200,
        topic="crypto",
        neg_risk=True,
        version="v1",
        rewards=Rewards(rebate_share=0.2),
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"outcomePrices": '["0", "1"]'},
        {"umaResolutionStatus": None},
        {"closed": True, "closedTime": "2026-01-03 00:00:00+00"},
        {"volumeNum": 9e9, "lastTradePrice": 0.999},
    ],
)
def test_what_is_known_afterwards_changes_nothing(changes: dict[str, Any]) -> None:
    """Outcome prices, resolution and lifetime volume cannot reach a market."""
    assert parse(**changes) == parse()


@pytest.mark.parametrize(
    "changes",
    [
        {"version": "v3"},
        {"clobTokenIds": '["11", "22", "33"]'},
        {"clobTokenIds": None},
        {"enableOrderBook": False},
        {"conditionId": ""},
        {"feesEnabled": True, "feeSchedule": None},
    ],
    ids=["version", "three outcomes", "no tokens", "no book", "no id", "unknown fee"],
)
def test_what_is_not_understood_is_left_out(changes: dict[str, Any]) -> None:
    """An unknown version or fee, or a market that is not binary, is not traded on a guess."""
    assert parse(**changes) is None


def test_protocol_two_uses_position_ids() -> None:
    """A version 2 market is known by its position ids, although token ids may be there too."""
    market = parse(version="v2", positionIds=["333", "444"])

    assert market is not None
    assert (market.token_yes, market.token_no, market.version) == ("333", "444", "v2")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2026-01-02T12:00:00Z", 1_767_355_200),
        ("2026-01-02T12:00:00.123Z", 1_767_355_200),
        ("2026-01-02 12:00:00+00", 1_767_355_200),
        ("2026-01-02", 1_767_312_000),
        ("soon", None),
        ("", None),
        (None, None),
    ],
)
def test_times_are_utc_seconds(text: str | None, seconds: int | None) -> None:
    """Both of the venue's time styles are read; others are unknown, not an error."""
    assert gamma_rows.seconds(text) == seconds


async def test_pages_are_followed_to_the_end() -> None:
    """The cursor is passed on with the same filters until it is absent."""
    asked: list[httpx2.QueryParams] = []

    def respond(request: httpx2.Request) -> httpx2.Response:
        asked.append(request.url.params)
        number = len(asked)
        page = {"markets": [row(conditionId=f"0x{number:064x}", clobTokenIds=[f"{number}1", f"{number}2"])]}
        return httpx2.Response(200, text=json.dumps(page | ({"next_cursor": f"c{number}"} if number < 3 else {})))

    async with VenueHttp("http://gamma.test", transport=httpx2.MockTransport(respond)) as http:
        found = [m.market_id async for m in gamma.listed(http, closed=True)]

    assert found == [f"0x{n:064x}" for n in (1, 2, 3)]
    assert [p.get("after_cursor") for p in asked] == [None, "c1", "c2"]
    assert {p["closed"] for p in asked} == {"true"}
    assert {p["limit"] for p in asked} == {"100"}


@pytest.mark.parametrize(
    ("changes", "topic"),
    [
        ({"question": "Which way will it go?", "feeType": "crypto_fees_v2"}, "crypto"),
        ({"question": "Who wins?", "tags": [{"slug": "nba", "label": "NBA"}]}, "sports"),
        ({"question": "Will the Fed cut the rate?", "category": None}, "economics"),
        ({"question": "Something else?"}, "other"),
    ],
)
def test_the_topic_is_the_venues_own_before_it_is_guessed(changes: dict[str, Any], topic: str) -> None:
    """Category, fee category and tags name the topic; without them the words of the question do."""
    market = parse(**changes)

    assert market is not None
    assert market.topic == topic


async def test_only_what_takes_orders_is_tradable() -> None:
    """Open markets that wait for their resolution are listed, but not tradable."""
    rows = [row(conditionId=f"0x{n:064x}", clobTokenIds=[f"{n}1", f"{n}2"], acceptingOrders=n != 2) for n in (1, 2, 3)]
    transport = httpx2.MockTransport(lambda _: httpx2.Response(200, json={"markets": rows}))

    async with VenueHttp("http://gamma.test", transport=transport) as http:
        everything = [m async for m in gamma.listed(http, closed=False)]
        tradable = await gamma.tradable(http, 10)

    assert len(everything) == 3
    assert [m.market_id[-1] for m in tradable] == ["1", "3"]


async def test_what_a_market_paid_is_asked_for_apart() -> None:
    """Decided markets give 0, a half or 1 a YES share; undecided ones and prices of no decision give nothing."""
    said = [("1", "resolved", '["1", "0"]'), ("2", "resolved", '["0.5", "0.5"]'), ("3", "resolved", '["0", "1"]')]
    said += [("4", "proposed", '["1", "0"]'), ("5", "resolved", '["0.97", "0.03"]'), ("6", "resolved", "none")]
    asked: list[list[str]] = []

    def respond(request: httpx2.Request) -> httpx2.Response:
        asked.append(request.url.params.get_list("condition_ids"))
        rows = [
            row(conditionId=name, umaResolutionStatus=status, outcomePrices=prices) for name, status, prices in said
        ]
        return httpx2.Response(200, json={"markets": rows if len(asked) == 1 else []})

    async with VenueHttp("http://gamma.test", transport=httpx2.MockTransport(respond)) as http:
        found = await gamma.payouts(http, [str(number) for number in range(1, 151)])

    assert found == {"1": 1_000_000, "2": 500_000, "3": 0}
    assert [len(batch) for batch in asked] == [100, 50]


async def test_a_dispute_is_a_step_of_the_resolution() -> None:
    """The list of steps may be JSON text or a list; one that cannot be read, or is missing, has no dispute."""
    steps = ['["proposed", "disputed", "resolved"]', ["proposed", "DISPUTED"], '["proposed"]', "disputed", None, 7]

    def respond(request: httpx2.Request) -> httpx2.Response:
        rows = [
            row(
                conditionId=str(k),
                umaResolutionStatus="resolved",
                outcomePrices='["1", "0"]',
                umaResolutionStatuses=one,
            )
            for k, one in enumerate(steps)
        ]
        return httpx2.Response(200, json={"markets": rows})

    disputed: set[str] = set()
    async with VenueHttp("http://gamma.test", transport=httpx2.MockTransport(respond)) as http:
        await gamma.payouts(http, [str(k) for k in range(6)], disputed)

    assert disputed == {"0", "1"}


GOOD = [row(conditionId=f"0x{n:064x}", clobTokenIds=json.dumps([f"{n}1", f"{n}2"]), slug=f"good-{n}") for n in (1, 2)]
ODD: list[tuple[str, Any]] = [
    ("null", None),
    ("text", "a market"),
    ("a list", [1, 2]),
    ("a number", 7),
    ("no fields", {}),
    ("tokens are the text null", {"clobTokenIds": "null"}),
    ("tokens are no JSON", {"clobTokenIds": "[11, 22"}),
    ("tokens are a number", {"clobTokenIds": 11}),
    ("tokens are numbers", {"clobTokenIds": "[11, 22]"}),
    ("one token is null", {"clobTokenIds": ["11", None]}),
    ("one token is empty", {"clobTokenIds": ["11", ""]}),
    ("tokens are words", {"clobTokenIds": ["yes", "no"]}),
    ("the same token twice", {"clobTokenIds": '["11", "11"]'}),
    ("minimum is a word", {"orderMinSize": "abc"}),
    ("minimum is negative", {"orderMinSize": -5}),
    ("minimum is a list", {"orderMinSize": [5]}),
    ("minimum is true", {"orderMinSize": True}),
    ("tick too fine", {"orderPriceMinTickSize": 0.00001}),
    ("tick zero", {"orderPriceMinTickSize": 0}),
    ("tick negative", {"orderPriceMinTickSize": "-0.01"}),
    ("tick one", {"orderPriceMinTickSize": 1}),
    ("tick no part of 1", {"orderPriceMinTickSize": 0.03}),
    ("tick is a word", {"orderPriceMinTickSize": "fine"}),
    ("tick is infinite", {"orderPriceMinTickSize": "inf"}),
    ("fees without a schedule", {"feesEnabled": True, "feeSchedule": None}),
    ("schedule without a rate", {"feesEnabled": True, "feeSchedule": {}}),
    ("schedule is text", {"feeSchedule": "0.07"}),
    ("rate is a word", {"feeSchedule": {"rate": "x", "exponent": 1}}),
    ("rate is 700 %", {"feeSchedule": {"rate": 7, "exponent": 1}}),
    ("exponent is a list", {"feeSchedule": {"rate": 0.07, "exponent": []}}),
    ("tokens are 0", {"clobTokenIds": '["0", "902"]'}),
    ("tokens are longer than 256 bits", {"clobTokenIds": json.dumps(["9" * 78, "902"])}),
    ("tokens are digits of another script", {"clobTokenIds": '["\u0663", "902"]'}),
    ("condition id is null", {"conditionId": None}),
    ("condition id is a number", {"conditionId": 12}),
    ("condition id is no hash", {"conditionId": "0xzz"}),
    ("version is a number", {"version": 2}),
    ("version is not known", {"version": "v3"}),
    ("risk is a word", {"negRisk": "maybe"}),
    ("orders are a word", {"acceptingOrders": "soon"}),
]


@pytest.mark.parametrize(("name", "changes"), ODD, ids=[name for name, _ in ODD])
async def test_one_odd_row_is_named_and_leaves_the_others(name: str, changes: Any) -> None:
    """Whatever a row of the listing is, the rows around it are read, and it is left out with its reason."""
    odd_row = (
        row(**({"clobTokenIds": '["901", "902"]', "slug": "odd"} | changes)) if isinstance(changes, dict) else changes
    )
    if changes == {}:
        odd_row = {}
    page = {"markets": [GOOD[0], odd_row, GOOD[1]]}
    odd: list[gamma_rows.Odd] = []
    transport = httpx2.MockTransport(lambda _: httpx2.Response(200, json=page))

    async with VenueHttp("http://gamma.test", transport=transport) as http:
        found = await gamma.tradable(http, 10, odd)

    assert [market.market_id for market in found] == [good["conditionId"] for good in GOOD]
    assert [one.left_out for one in odd] == [True]
    if isinstance(changes, dict) and changes:
        assert odd[0].name.startswith("odd")
    assert odd[0].reason


@pytest.mark.parametrize(
    "changes",
    [
        {"events": [{"id": 77}]},
        {"events": [{"slug": None}]},
        {"events": [None]},
        {"events": "bitcoin"},
        {"tags": [{"id": 1}]},
        {"tags": [{"slug": None, "label": None}]},
        {"tags": [None, {"slug": "crypto"}]},
        {"tags": "crypto"},
        {"endDate": 1_767_355_200},
        {"endDate": "soon"},
        {"startDate": ["2026"]},
        {"startDate": "0001-01-01T00:00:00Z"},
        {"endDate": "0001-01-01T00:00:00Z"},
        {"endDate": "1970-01-01T00:00:00Z"},
        {"endDate": "9999-12-31T23:59:59Z"},
        {"question": ["Will it?"]},
        {"category": {"name": "crypto"}},
    ],
)
def test_what_only_describes_is_read_without(changes: dict[str, Any]) -> None:
    """An odd date, event, tag or text costs nobody a market, and is named."""
    read = gamma_rows.read(row(**changes))

    assert read.market is not None
    assert (read.market.token_yes, read.market.tick_units) == ("11", 10)
    assert len(read.odd) == 1
    assert not read.odd[0].left_out


@pytest.mark.parametrize(
    "changes",
    [
        {"clobTokenIds": ["11", "22"]},
        {"orderMinSize": "5", "orderPriceMinTickSize": "0.001"},
        {"feeSchedule": {"rate": "0.07", "exponent": "1", "rebateRate": "0.2"}},
        {"negRisk": "true", "closed": "false"},
    ],
)
def test_the_same_value_written_otherwise_is_the_same_market(changes: dict[str, Any]) -> None:
    """A list instead of JSON text, and numbers or truth values as text, mean what they say."""
    assert gamma_rows.read(row(**changes)) == gamma_rows.read(row())


def test_a_collector_without_a_column_of_fees_gets_the_table() -> None:
    """Fees that are on without a column of schedules are the venue's usual ones, and said; a null schedule is not."""
    kept = {key: value for key, value in row(question="Who wins?", category="sports").items() if key != "feeSchedule"}
    found = gamma_rows.read(kept | {"startDate": "2026-08-01T00:00:00Z"})
    assert found.market is not None
    assert found.market.fee == FeeSchedule(0.05)
    assert [(one.left_out, "venue's table" in one.reason) for one in found.odd] == [(False, True)]
    assert gamma_rows.read(kept | {"startDate": "2025-08-01T00:00:00Z"}).market is None


async def test_a_token_belongs_to_one_market() -> None:
    """A row that names a token of an earlier market is left out and named: the stream could not tell them apart."""
    rows = [row(), row(conditionId="0x" + "cd" * 32, clobTokenIds='["22", "33"]', slug="other")]
    transport = httpx2.MockTransport(lambda _: httpx2.Response(200, json={"markets": rows}))
    odd: list[gamma_rows.Odd] = []
    async with VenueHttp("http://gamma.test", transport=transport) as http:
        found = [market async for market in gamma.listed(http, odd=odd)]
    assert [market.token_yes for market in found] == ["11"]
    assert [(one.name[:5], "names a token of market 0xabab" in one.reason) for one in odd] == [("other", True)]


async def test_a_market_is_followed_once() -> None:
    """A repeated row is left out and named; the first one counts."""
    again = GOOD[0] | {"orderPriceMinTickSize": 0.01}
    transport = httpx2.MockTransport(lambda _: httpx2.Response(200, json={"markets": [*GOOD, again]}))
    odd: list[gamma_rows.Odd] = []

    async with VenueHttp("http://gamma.test", transport=transport) as http:
        found = await gamma.tradable(http, 10, odd)

    assert [market.tick_units for market in found] == [10, 10]
    assert [(one.name[:6], one.reason) for one in odd] == [("good-1", "listed twice, and otherwise before")]


@pytest.mark.parametrize("cursors", [["a", "a", "a"], ["a", "b", "a"]])
async def test_a_listing_that_repeats_its_cursor_ends(cursors: list[str]) -> None:
    """A cursor that came before ends the reading, however many pages lie between."""
    asked: list[str] = []

    def respond(request: httpx2.Request) -> httpx2.Response:
        asked.append(str(request.url))
        page = {"markets": GOOD, "next_cursor": cursors[min(len(asked) - 1, len(cursors) - 1)]}
        return httpx2.Response(200, json=page)

    async with VenueHttp("http://gamma.test", transport=httpx2.MockTransport(respond)) as http:
        found = [market async for market in gamma.listed(http)]

    assert len(found) == 2
    assert len(asked) <= len(cursors)


@pytest.mark.parametrize("page", [{"markets": None}, {}, {"markets": [], "next_cursor": 5}])
async def test_a_page_without_rows_is_an_empty_listing(page: dict[str, Any]) -> None:
    """No rows, or null instead of rows, list nothing."""
    transport = httpx2.MockTransport(lambda _: httpx2.Response(200, json=page))

    async with VenueHttp("http://gamma.test", transport=transport) as http:
        assert await gamma.tradable(http, 10) == []


@pytest.mark.parametrize("value", ["NaN", "1e999", r'"\ud800"'])
async def test_a_value_that_is_no_json_costs_its_own_row_alone(value: str) -> None:
    """A tick that is NaN leaves out one market by name; the page around it is read."""
    odd_row = json.dumps(row(slug="odd", conditionId="0x" + "9" * 64, clobTokenIds='["901", "902"]') | {"tick": 0})
    text = odd_row.replace('"tick": 0', f'"orderPriceMinTickSize": {value}')
    page = f'{{"markets": [{json.dumps(GOOD[0])}, {text}, {json.dumps(GOOD[1])}]}}'
    odd: list[gamma_rows.Odd] = []
    transport = httpx2.MockTransport(lambda _: httpx2.Response(200, text=page))

    async with VenueHttp("http://gamma.test", transport=transport) as http:
        found = await gamma.tradable(http, 10, odd)

    assert [market.market_id for market in found] == [good["conditionId"] for good in GOOD]
    assert [(one.name[:3], "orderPriceMinTickSize" in one.reason) for one in odd] == [("odd", True)]


async def test_an_empty_page_is_no_end_while_a_next_one_is_named() -> None:
    """Pages whose rows were filtered away by the venue hide none behind them."""
    pages = [{"markets": GOOD[:1], "next_cursor": "a"}, {"markets": [], "next_cursor": "b"}, {"markets": GOOD[1:]}]
    asked: list[str] = []

    def respond(request: httpx2.Request) -> httpx2.Response:
        asked.append(str(request.url))
        return httpx2.Response(200, json=pages[len(asked) - 1])

    async with VenueHttp("http://gamma.test", transport=httpx2.MockTransport(respond)) as http:
        assert len([market async for market in gamma.listed(http)]) == 2
