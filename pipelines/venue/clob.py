"""Public reads of the CLOB: order books and the market time they carry."""

from collections.abc import Sequence

from pipelines.core.domain import Quote
from pipelines.core.errors import DataError
from pipelines.core.money import price_to_units, to_micro
from pipelines.venue.http import VenueHttp
from pipelines.venue.wire import Book, Level

BOOKS = 500
"""Most books per request of `POST /books`."""


async def books(http: VenueHttp, token_ids: Sequence[str]) -> dict[str, Book]:
    """Books by token id; tokens without a book are absent. The venue does not keep the order asked for."""
    found: dict[str, Book] = {}
    for begin in range(0, len(token_ids), BOOKS):
        body = [{"token_id": token} for token in token_ids[begin : begin + BOOKS]]
        found |= {book.asset_id: book for book in await http.query("/books", list[Book], body)}
    return found


async def book(http: VenueHttp, token_id: str) -> Book:
    """The book of one token."""
    return await http.get("/book", Book, {"token_id": token_id})


def top(wire: Book) -> Quote:
    """Best bid and ask with their sizes. The best level is found by price, whatever the order of the lists."""
    bids = sorted(_levels(wire.bids))
    asks = sorted(_levels(wire.asks))
    bid = bids[-1] if bids else (0, 0)
    ask = asks[0] if asks else (10_000, 0)
    return Quote(bid[0], ask[0], bid[1], ask[1])


def _levels(levels: list[Level]) -> list[tuple[int, int]]:
    parsed = [(price_to_units(level.price), to_micro(level.size)) for level in levels]
    return [(units, size) for units, size in parsed if size > 0]


def time_ms(wire: Book) -> int:
    """Market time of a book in milliseconds.

    Raises:
        DataError: if the timestamp is not a number.
    """
    try:
        return int(wire.timestamp)
    except ValueError:
        raise DataError(f"book of {wire.asset_id}: timestamp was {wire.timestamp!r}, milliseconds expected") from None
