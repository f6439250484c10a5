"""A night of 2,000 markets of which 2 % are odd records: every good one is followed, every odd one is named with why.

The odd records are drawn by a seed from kinds that collectors of others have met: nulls, text numbers, lists as JSON
text, missing keys, duplicates, tokens of another market, values that are no JSON value of their field.
"""

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest

from pipelines.core import params
from pipelines.pull import live
from pipelines.venue.gamma_rows import Odd
from pipelines.venue.http import VenueHttp
from serving.market import selection

ROWS, ODD_SHARE, PAGE = 2_000, 0.02, 100
AS_OF_S = 1_790_000_000
Row = dict[str, Any]


def good(number: int, draw: random.Random) -> Row:
    """An open market as Gamma writes it: each field in one of the forms that the venue has used."""
    tokens = [str(draw.getrandbits(250)), str(draw.getrandbits(250))]
    names = draw.choice([["Yes", "No"], ["Lakers", "Celtics"], ["Over", "Under"], ["Up", "Down"]])
    tick, least = draw.choice([0.01, 0.001, "0.01", 0.005]), draw.choice([5, "5", 15, 0])
    row: Row = {
        "id": str(500_000 + number),
        "conditionId": f"0x{draw.getrandbits(256):064x}",
        "slug": f"market-{number}",
        "question": f"Will {number} happen?",
        "outcomes": json.dumps(names),
        "outcomePrices": draw.choice(['["0.5", "0.5"]', None, '["0", "0"]']),
        "clobTokenIds": draw.choice([json.dumps(tokens), tokens]),
        "orderPriceMinTickSize": tick,
        "orderMinSize": least,
        "enableOrderBook": draw.choice([True, "true"]),
        "acceptingOrders": draw.choice([True, "true", None]),
        "closed": draw.choice([False, "false"]),
        "negRisk": draw.choice([True, False, None]),
        "feesEnabled": False,
        "startDate": draw.choice(["2026-01-01T00:00:00Z", "2026-01-01 00:00:00+00", None]),
        "endDate": draw.choice(["2027-01-02T12:00:00Z", None, "2026-01-02T12:00:00Z"]),
        "events": [{"id": str(number // 6), "slug": f"event-{number // 6}"}],
        "tags": draw.choice([None, [], [{"id": "1", "slug": "sports", "label": "Sports"}]]),
        "volumeNum": draw.choice([12.5, "12.5", None]),
        "umaResolutionStatus": None,
    }
    if draw.random() < 0.1:
        row |= {"version": "v2", "positionIds": tokens, "conditionId": f"0x{draw.getrandbits(248):062x}"}
    for optional in ("orderMinSize", "negRisk", "tags", "volumeNum", "startDate", "endDate"):
        if draw.random() < 0.1:
            del row[optional]
    return row


def _tokens(value: Any) -> Callable[[Row], Row]:
    """Changes the token ids of either protocol."""
    return lambda row: row | {"positionIds" if row.get("version") == "v2" else "clobTokenIds": value}


def _value(key: str, *values: Any) -> list[Callable[[Row], Row]]:
    """One change for each value of a field."""
    return [lambda row, value=value: row | {key: value} for value in values]


def _missing(row: Row) -> Row:
    key = "positionIds" if row.get("version") == "v2" else "clobTokenIds"
    return {name: value for name, value in row.items() if name != key}


KINDS: list[Callable[[Row], Row]] = [
    *(_tokens(value) for value in ("null", "", "[", "[]", [], None, '["1"]', ["1", None], '["7", "7"]', 5, {"a": 1})),
    *(_tokens(value) for value in (["a", "b"], '["0x1", "0x2"]', [["1", "2"]], '["1","2","3"]')),
    _missing,
    *_value("orderPriceMinTickSize", "fine", 0, -0.01, 0.00001, 1, [0.01], True, "nan", 0.03),
    *_value("orderMinSize", "abc", -5, [5], True, "inf", {"min": 5}),
    *_value("conditionId", None, 12, "", "0xzz", ["0x"], "0x" + "a" * 63 + "g"),
    *_value("version", 2, "v3", "", ["v1"]),
    *_value("feeSchedule", "0.07", [], {"rate": "x"}, {"rate": 7}, {"rate": 0.1, "exponent": "two"}),
    *_value("feesEnabled", "yes", 1),
    lambda row: row | {"feesEnabled": True, "feeSchedule": None},
    *_value("negRisk", "maybe", 1, []),
    *_value("closed", "no", 0, []),
    *_value("enableOrderBook", "on", 1, {}),
]


def night(seed: int) -> tuple[list[Any], set[str], dict[str, str]]:
    """Rows of a listing; ids of the good markets; slug of each odd record -> what is expected of its reason."""
    draw = random.Random(seed)
    rows = [good(number, draw) for number in range(ROWS)]
    chosen = draw.sample(range(1, ROWS), int(ROWS * ODD_SHARE))
    odd: dict[str, str] = {}
    repeated = []
    for number in chosen:
        kind = draw.randrange(len(KINDS) + 2)
        if kind < len(KINDS):
            odd[rows[number]["slug"]] = "expected"
            rows[number] = KINDS[kind](rows[number])
        elif kind == len(KINDS):
            other = rows[number - 1]
            if other["slug"] in odd:
                continue
            rows[number] = rows[number] | {
                name: other.get(name) for name in ("clobTokenIds", "positionIds", "version") if name in other
            }
            if "version" not in other:
                rows[number].pop("version", None)
                rows[number]["conditionId"] = f"0x{draw.getrandbits(256):064x}"
            elif len(rows[number]["conditionId"]) == 66:
                rows[number]["conditionId"] = f"0x{draw.getrandbits(248):062x}"
            odd[rows[number]["slug"]] = "names a token of market"
        else:
            repeated.append(rows[number] | {"slug": f"copy-{number}", "orderMinSize": 77})
            odd[f"copy-{number}"] = "listed twice"
    expected = {row["conditionId"] for row in rows if row["slug"] not in odd}
    return rows + repeated, expected, odd


def served(rows: list[Any]) -> httpx2.MockTransport:
    """Gamma's keyset route over the rows; the ended markets are none."""

    def answer(request: httpx2.Request) -> httpx2.Response:
        if request.url.params.get("closed") == "true":
            return httpx2.Response(200, json={"markets": []})
        first = int(request.url.params.get("after_cursor", "0"))
        page = {"markets": rows[first : first + PAGE], "next_cursor": str(first + PAGE)}
        return httpx2.Response(200, json=page if first + PAGE < len(rows) else page | {"next_cursor": None})

    return httpx2.MockTransport(answer)


def check(found: set[str], expected: set[str], named: list[Odd], odd: dict[str, str]) -> None:
    """Every good market, no other, and a reason for each odd record and for nothing else that was left out."""
    assert found == expected
    reasons = {one.name.split(" (")[0]: one.reason for one in named if one.left_out}
    assert set(reasons) == set(odd)
    assert not [slug for slug, words in odd.items() if words not in reasons[slug]]


@pytest.mark.parametrize("seed", range(5))
async def test_the_bot_follows_every_good_market_and_names_every_odd_record(seed: int) -> None:
    """Of 2,000 rows with 2 % odd ones the bot lists exactly the good ones; each odd one has its name and a reason."""
    rows, expected, odd = night(seed)
    named: list[Odd] = []
    async with VenueHttp("http://gamma", transport=served(rows)) as http:
        markets = await selection.listed(http, [], named, ROWS * 2)
    check({market.market_id for market in markets}, expected, named, odd)
    assert len({*selection.choose(markets, [], [], AS_OF_S, ROWS)}) == len(expected)


@pytest.mark.parametrize("seed", range(5, 8))
async def test_the_pull_reads_every_good_market_and_names_every_odd_record(seed: int) -> None:
    """The same listing read for history: the same markets, the same names."""
    rows, expected, odd = night(seed)
    shipped = params.read(Path(__file__).parents[4] / "params.yaml")
    changed = shipped.model_copy(update={"pull": shipped.pull.model_copy(update={"max_markets": ROWS * 4})})
    named: list[Odd] = []
    async with VenueHttp("http://gamma", transport=served(rows)) as http:
        markets = await live._markets(http, 0, AS_OF_S, changed, named)
    check({market.market_id for market in markets}, expected, named, odd)
