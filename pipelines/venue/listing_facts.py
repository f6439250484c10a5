"""What a row of the listing says of a market apart from how it is traded: by it people choose markets.

What cannot be read is absent and never an error.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pipelines.venue.gamma_rows import decimal


@dataclass(frozen=True, slots=True)
class ListingFacts:
    """Words in lower case, figures of the moment when the listing was read; None where the row has none that can be
    read."""

    slug: str = ""
    category: str = ""
    tags: frozenset[str] = frozenset()
    """Slugs and labels."""
    series: frozenset[str] = frozenset()
    """Slugs and titles of the series that its event belongs to."""
    volume_24h_pusd: float | None = None
    depth_pusd: float | None = None
    """What rests in the book, all levels."""
    spread: float | None = None
    price: float | None = None
    """Middle of bid and ask of YES; where a side is missing the last trade's price."""


UNKNOWN = ListingFacts()


def read(raw: Any) -> ListingFacts:
    """The facts of a row of Gamma's listing; what cannot be read is absent."""
    if not isinstance(raw, Mapping):
        return UNKNOWN
    events = list(_objects(raw.get("events")))
    series = {
        word for event in events for one in _objects(event.get("series")) for word in _words(one, "slug", "title")
    }
    bid, ask = _number(raw.get("bestBid")), _number(raw.get("bestAsk"))
    both = bid is not None and ask is not None and bid < ask
    return ListingFacts(
        slug=_word(raw.get("slug")),
        category=_word(raw.get("category")) or next((_word(one.get("category")) for one in events), ""),
        tags=frozenset(word for one in _objects(raw.get("tags")) for word in _words(one, "slug", "label")),
        series=frozenset(series | {_word(one.get("seriesSlug")) for one in events} - {""}),
        volume_24h_pusd=_number(raw.get("volume24hr")),
        depth_pusd=_first(raw, "liquidityClob", "liquidityNum", "liquidity"),
        spread=round(ask - bid, 6) if both and ask is not None and bid is not None else _number(raw.get("spread")),
        price=(bid + ask) / 2 if both and ask is not None and bid is not None else _number(raw.get("lastTradePrice")),
    )


def _objects(value: Any) -> Iterator[Mapping[str, Any]]:
    return (one for one in value if isinstance(one, Mapping)) if isinstance(value, list) else iter(())


def _words(one: Mapping[str, Any], *keys: str) -> Iterator[str]:
    return (word for key in keys if (word := _word(one.get(key))))


def _word(value: Any) -> str:
    return value.strip().casefold() if isinstance(value, str) else ""


def _first(raw: Mapping[str, Any], *keys: str) -> float | None:
    return next((found for key in keys if (found := _number(raw.get(key))) is not None), None)


def _number(value: Any) -> float | None:
    found = decimal(value)
    return float(found) if found is not None and 0 <= found < 10**12 else None
