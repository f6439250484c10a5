"""Public reads of the CLOB: order books and the market time they carry."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from pipelines.core import log
from pipelines.core.domain import Quote
from pipelines.core.errors import DataError
from pipelines.core.money import MICRO, PRICE_SCALE, price_to_units, to_micro
from pipelines.venue.http import VenueHttp
from pipelines.venue.wire import Book, Level

BOOKS = 500
"""Most books per request of `POST /books`."""

MOST_MICRO = 10**10 * MICRO
"""No size of the venue is so large; a larger one would leave the range of a machine integer."""

AGREE_MS = 3_600_000
"""Two stamps so near to each other witness the market time."""


async def books(http: VenueHttp, token_ids: Sequence[str]) -> dict[str, Book]:
    """Books by token id; tokens without a book, or with one that cannot be read, are absent. The venue does not keep
    the order asked for."""
    found: dict[str, Book] = {}
    for begin in range(0, len(token_ids), BOOKS):
        body = [{"token_id": token} for token in token_ids[begin : begin + BOOKS]]
        for raw in await http.query("/books", list[Any], body):
            try:
                wire = read(raw)
            except DataError as error:
                log.get("clob").warning("a book was left out", error=str(error))
                continue
            found[wire.asset_id] = wire
    return found


async def book(http: VenueHttp, token_id: str) -> Book:
    """The book of one token.

    Raises:
        DataError: if it cannot be read.
    """
    return read(await http.get("/book", dict[str, Any], {"token_id": token_id}))


def read(raw: Any) -> Book:
    """A book with a time and levels that are prices and sizes.

    Raises:
        DataError: if a part of it is not.
    """
    name = raw.get("asset_id") if isinstance(raw, Mapping) else None
    try:
        wire = msgspec.convert(raw, Book)
        time_ms(wire)
        levels(wire.bids), levels(wire.asks)
        tick_units(wire)
    except (ValueError, ArithmeticError, msgspec.ValidationError) as error:
        raise DataError(f"the book of {name!r} cannot be read: {error}") from None
    return wire


def top(wire: Book) -> Quote:
    """Best bid and ask with their sizes. The best level is found by price, whatever the order of the lists."""
    bids = sorted(levels(wire.bids))
    asks = sorted(levels(wire.asks))
    bid = bids[-1] if bids else (0, 0)
    ask = asks[0] if asks else (PRICE_SCALE, 0)
    return Quote(bid[0], ask[0], bid[1], ask[1])


def readable_top(wire: Book) -> Quote | None:
    """`top`; None for a book with a level that is none."""
    try:
        return top(wire)
    except (ArithmeticError, ValueError):
        return None


def levels(wire: Iterable[Level]) -> list[tuple[int, int]]:
    """Levels that hold something, as (price units, size in base units).

    Raises:
        ValueError: for a price outside (0, 1) or a negative size.
        ArithmeticError: for what is no number.
    """
    parsed = [level(one.price, one.size) for one in wire]
    return [(units, size) for units, size in parsed if size > 0]


def level(price: str, size: str) -> tuple[int, int]:
    """One level as (price units, size in base units); errors as in `levels`."""
    units, micro = price_to_units(price), to_micro(size)
    if not 0 < units < PRICE_SCALE or not 0 <= micro <= MOST_MICRO:
        most = f"{MOST_MICRO // MICRO:,}"
        raise ValueError(f"a level of {size[:30]} at {price[:30]}; prices lie inside (0, 1), sizes from 0 to {most}")
    return units, micro


def tick_units(wire: Book) -> int | None:
    """The tick that a book states; None where it states none.

    Raises:
        ValueError: for a tick that is no part of 1, or finer than our unit of price.
        ArithmeticError: for what is no number.
    """
    return None if wire.tick_size in ("", None) else tick(wire.tick_size)


def tick(stated: Any) -> int:
    """A stated tick in price units; errors as in `tick_units`."""
    units = price_to_units(stated)
    if not 1 <= units <= PRICE_SCALE // 10 or PRICE_SCALE % units:
        raise ValueError(f"a tick of {stated!r}; ticks lie from 0.0001 to 0.1 and divide 1")
    return units


def time_ms(wire: Book) -> int:
    """Market time of a book in milliseconds.

    Raises:
        DataError: if the timestamp is not a number.
    """
    try:
        return int(wire.timestamp)
    except ValueError:
        raise DataError(f"book of {wire.asset_id}: timestamp was {wire.timestamp!r}, milliseconds expected") from None


def market_time_ms(found: Iterable[Book]) -> int:
    """Market time that books witness: the newest stamp of the largest group that lies within `AGREE_MS`.

    Some books whose clock is in another unit are not believed, nor one whose stamp is no number.

    Raises:
        DataError: if no stamp is a number.
        ValueError: without a book.
    """
    stamps, unreadable = [], None
    for one in found:
        try:
            stamps.append(time_ms(one))
        except DataError as error:
            unreadable = error
    if unreadable and not stamps:
        raise unreadable
    if not stamps:
        raise ValueError("no book, so no market time")
    return max(stamps, key=lambda newest: (sum(newest - AGREE_MS <= one <= newest for one in stamps), newest))
