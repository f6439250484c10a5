"""Price history is asked in windows of fifteen days, both routes by cursor, and times are never rounded back."""

from typing import Any

import httpx2
import pytest

from pipelines.core.domain import FeeSchedule, Market
from pipelines.venue import data
from pipelines.venue.http import VenueHttp
from pipelines.venue.odd_rows import OddRows

DAY = 86_400
MARKET = Market(
    market_id="0xab", event_id="e", question="Will it?", token_yes="7", token_no="8", tick_units=100,
    min_size_micro=5_000_000, fee=FeeSchedule(0.0), start_s=0, end_s=None, topic="other",
)  # fmt: skip


def http(pages: list[dict[str, Any]], asked: list[dict[str, str]]) -> VenueHttp:
    """A host that gives these pages in turn."""

    def respond(request: httpx2.Request) -> httpx2.Response:
        asked.append(dict(request.url.params))
        return httpx2.Response(200, json=pages[len(asked) - 1])

    return VenueHttp("http://data.test", transport=httpx2.MockTransport(respond))


def points(*pairs: tuple[float, float], cursor: str | None = None) -> dict[str, Any]:
    """A page of price points."""
    rows = [{"timestamp": t, "price": p, "resolution_seconds": 60} for t, p in pairs]
    return {"data": rows, "pagination": {"has_more": cursor is not None, "next_cursor": cursor}}


async def test_long_ranges_are_split() -> None:
    """No request spans more than fifteen days, and together they cover the range."""
    asked: list[dict[str, str]] = []
    await data.price_history(http([points()] * 3, asked), "7", 0, 40 * DAY, 60)

    spans = [(int(a["start"]), int(a["end"])) for a in asked]

    assert spans == [(0, 15 * DAY), (15 * DAY, 30 * DAY), (30 * DAY, 40 * DAY)]


async def test_pages_overlap_without_doubling() -> None:
    """Cursor pages are joined, points outside of the range or met twice are left out, times ascend."""
    asked: list[dict[str, str]] = []
    pages = [points((120, 0.5), (60, 0.4), cursor="n"), points((120, 0.5), (180, 0.6), (0, 0.1), (600, 0.9))]
    times, units = await data.price_history(http(pages, asked), "7", 0, 300, 60)

    assert times.tolist() == [60, 120, 180]
    assert units.tolist() == [4_000, 5_000, 6_000]
    assert asked[1]["cursor"] == "n"
    assert "limit" not in asked[1]


async def test_a_fraction_of_a_second_is_known_later() -> None:
    """A point at 60.2 s was not known at 60 s."""
    times, _ = await data.price_history(http([points((60.2, 0.5))], []), "7", 0, 300, 60)

    assert times.tolist() == [61]


async def test_nothing_is_an_empty_answer() -> None:
    """A miss is `data: null`, not an error."""
    times, units = await data.price_history(http([{"data": None}], []), "7", 0, 300, 60)

    assert len(times) == len(units) == 0


@pytest.mark.parametrize("odd", [52.0, -0.1, 1.0001, 1e308])
async def test_a_price_outside_of_the_range_is_left_out(odd: float) -> None:
    """A token's price lies in [0, 1]; any other row is left out and counted, and ends neither a pull nor a start."""
    counted = OddRows()
    pages = [points((60, 0.5), (120, odd), (180, 1))]
    times, units = await data.price_history(http(pages, []), "7", 0, 300, 60, counted)

    assert (times.tolist(), units.tolist()) == ([60, 180], [5_000, 10_000])
    assert counted[data.UNREADABLE] == 1


async def test_trades_stop_at_the_range() -> None:
    """Newest first: reading ends at the first page that lies before the range."""
    asked: list[dict[str, str]] = []

    def page(*times: int, cursor: str | None) -> dict[str, Any]:
        rows = [{"timestamp": t, "size": 1.5, "price": 0.5, "side": "BUY", "token_id": "7"} for t in times]
        return {"data": rows, "pagination": {"has_more": cursor is not None, "next_cursor": cursor}}

    pages = [page(400, 300, cursor="a"), page(200, 100, cursor="b"), page(90, 80, cursor="c"), page(70, cursor=None)]
    tape = await data.trades(http(pages, asked), MARKET, 100, 300)

    assert tape.ts_s.tolist() == [200, 300]
    assert tape.shares_micro.tolist() == [1_500_000, 1_500_000]
    assert len(asked) == 3


def prints(*rows: Any, cursor: str | None) -> dict[str, Any]:
    """A page of trades: (time, size) or any other row."""
    named = [
        {"timestamp": r[0], "size": r[1], "price": 0.5, "side": "BUY", "transaction_hash": f"0x{r[0]}"}
        if isinstance(r, tuple)
        else r
        for r in rows
    ]
    return {"data": named, "pagination": {"has_more": cursor is not None, "next_cursor": cursor}}


@pytest.mark.parametrize("cursors", ["aaaaaa", "ababab"])
async def test_a_cursor_that_comes_again_ends_the_reading(cursors: str) -> None:
    """The same cursor for ever, or two that take turns, never keep a pull from ending."""
    asked: list[dict[str, str]] = []
    odd = OddRows()
    pages = [prints((400 - n, 1), cursor=cursor) for n, cursor in enumerate(cursors)]
    tape = await data.trades(http(pages, asked), MARKET, 100, 500, odd)

    assert len(tape) == len(asked) < len(cursors)
    assert odd[data.SAME_CURSOR] == 1


async def test_overlapping_pages_count_a_trade_once() -> None:
    """A row that an earlier page gave is left out and counted; two equal rows of one page are two trades."""
    odd = OddRows()
    pages = [prints((300, 2), (200, 1), (200, 1), cursor="n"), prints((200, 1), (150, 3), cursor=None)]
    tape = await data.trades(http(pages, []), MARKET, 100, 500, odd)

    assert tape.ts_s.tolist() == [150, 200, 200, 300]
    assert tape.shares_micro.sum() == 7_000_000
    assert odd[data.REPEATED] == 1


async def test_pages_that_give_nothing_new_end_the_reading() -> None:
    """Fresh cursors around the same rows do not go on for ever."""
    asked: list[dict[str, str]] = []
    pages = [prints((300, 2), cursor=str(n)) for n in range(9)]
    tape = await data.trades(http(pages, asked), MARKET, 100, 500)

    assert tape.ts_s.tolist() == [300]
    assert len(asked) == 1 + data.STALE_PAGES


@pytest.mark.parametrize("between", [[(300, 2)], [], [(300, 2)] * 2])
async def test_a_page_that_repeats_or_is_empty_hides_none_behind_it(between: list[tuple[int, int]]) -> None:
    """A whole page that came before, or one without rows, is no end while the venue names a next one."""
    pages = [prints((300, 2), cursor="a"), prints(*between, cursor="b"), prints((200, 1), cursor=None)]
    tape = await data.trades(http(pages, []), MARKET, 100, 500)

    assert tape.ts_s.tolist() == [200, 300]


ODD_ROWS: list[Any] = [
    None,
    "a trade",
    [1, 2],
    {},
    {"timestamp": 200, "size": 1e308, "price": 0.5},
    {"timestamp": None, "size": 1, "price": 0.5},
    {"timestamp": 200, "size": None, "price": 0.5},
    {"timestamp": "soon", "size": 1, "price": 0.5},
    {"timestamp": 200, "size": -1, "price": 0.5},
]


@pytest.mark.parametrize("odd_row", ODD_ROWS)
async def test_a_trade_that_cannot_be_read_leaves_the_others(odd_row: Any) -> None:
    """One null or odd row is left out and counted; the trades around it are there."""
    odd = OddRows()
    tape = await data.trades(http([prints((300, 2), odd_row, (200, 1), cursor=None)], []), MARKET, 100, 500, odd)

    assert tape.ts_s.tolist() == [200, 300]
    assert odd[data.UNREADABLE] == 1


@pytest.mark.parametrize(
    "odd_row", [None, "x", {}, {"timestamp": 90, "price": None}, {"timestamp": None, "price": 0.5}]
)
async def test_a_price_point_that_cannot_be_read_leaves_the_others(odd_row: Any) -> None:
    """The same for price history."""
    odd = OddRows()
    page = points((60, 0.5), (120, 0.6))
    page["data"].insert(1, odd_row)
    times, _ = await data.price_history(http([page], []), "7", 0, 300, 60, odd)

    assert times.tolist() == [60, 120]
    assert odd[data.UNREADABLE] == 1


async def test_trades_of_both_tokens_are_told_as_those_of_yes() -> None:
    """A taker who sells NO at 0.30 buys YES at 0.70; one wallet has one number in whatever case, another another."""
    rows = [
        {"timestamp": 120, "size": 1, "price": 0.6, "side": "BUY", "token_id": "7", "proxy_wallet": "0xAb"},
        {"timestamp": 110, "size": 2, "price": 0.3, "side": "SELL", "token_id": "8", "proxy_wallet": "0xab"},
        {"timestamp": 110, "size": 3, "price": 0.4, "side": "BUY", "token_id": "8", "proxy_wallet": "0xcd"},
        {"timestamp": 105, "size": 4, "price": 7.0, "side": "SELL", "token_id": "7"},
    ]
    tape = await data.trades(http([prints(*rows, cursor=None)], []), MARKET, 100, 500)

    assert tape.ts_s.tolist() == [105, 110, 110, 120]
    assert tape.price_units.tolist() == [10_000, 6_000, 7_000, 6_000]
    assert tape.buys.tolist() == [False, False, True, True]
    nobody, other, *same = tape.account.tolist()
    assert nobody == 0 and same[0] == same[1] != other
    assert data.hashed("0xab", b"one") != data.hashed("0xab", b"two")


async def test_holders_that_cannot_be_read_leave_the_others() -> None:
    """Shares by wallet of each token; odd rows and other tokens are left out."""
    good = [{"proxy_wallet": w, "token_id": t, "amount": n} for w, t, n in (("0xa", "7", 5), ("0xb", "7", 2.5))]
    odd = [None, {"proxy_wallet": "0xc", "token_id": "7", "amount": -1}, {"amount": 3}, "x"]
    strange = {"proxy_wallet": "0xd", "token_id": "9", "amount": 1}
    pages = [{"data": [{"token_id": "7", "holders": [*good, *odd, strange]}, {"token_id": "8"}, None, 3]}]
    yes, no = await data.holders(http(pages, []), MARKET)

    assert (yes, no) == ({"0xa": 5.0, "0xb": 2.5}, {})
