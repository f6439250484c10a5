"""Which markets are followed: those held, those followed already, then the listing in its own order."""

from collections.abc import Iterable, Mapping, Sequence

from pipelines.core.domain import Market
from pipelines.core.errors import VenueUnavailable
from pipelines.core.sections import MarketsParams
from pipelines.venue import clob, gamma
from pipelines.venue.gamma_rows import Odd
from pipelines.venue.http import VenueHttp
from pipelines.venue.listing_facts import ListingFacts
from pipelines.venue.wanted import Why

LISTED = 300
"""Open markets that a look at the listing reads, or more where more are followed."""

LISTED_TO_CHOOSE = 2_000
"""As many where `markets` of params.yaml chooses among them: what is wanted may be among the least traded."""

WITNESSES = 50
"""Most books that are asked for the market time."""


async def listed(
    http: VenueHttp,
    held: Sequence[Market],
    odd: list[Odd],
    limit: int = LISTED,
    facts: dict[str, ListingFacts] | None = None,
) -> list[Market]:
    """Up to `limit` markets that take orders now, those held first; `odd` receives the rows that were odd, `facts` what
    else the listing says.

    A market that is held and not among the most traded is asked for by its id.
    """
    found = await gamma.tradable(http, limit, odd, facts)
    names = {market.market_id for market in found}
    missing = [market.market_id for market in held if market.market_id not in names]
    return _apart([*(await gamma.accepting(http, missing, odd) if missing else []), *found], held, odd)


def _apart(markets: Iterable[Market], held: Sequence[Market], odd: list[Odd]) -> list[Market]:
    """The markets less those that name a token of a held or an earlier one: the stream could not tell them apart."""
    owner = {token: market.market_id for market in held for token in (market.token_yes, market.token_no)}
    kept = []
    for market in markets:
        tokens = (market.token_yes, market.token_no)
        taken = [owner[token] for token in tokens if owner.get(token, market.market_id) != market.market_id]
        if taken:
            odd.append(Odd(market.market_id, f"names a token of market {taken[0]}", left_out=True))
            continue
        owner |= dict.fromkeys(tokens, market.market_id)
        kept.append(market)
    return kept


async def market_time_s(exchange: VenueHttp, markets: Sequence[Market]) -> int:
    """The venue's market time, as the books of some markets witness it.

    Raises:
        VenueUnavailable: if none of them has a book.
    """
    books = await clob.books(exchange, [market.token_yes for market in markets[:WITNESSES]])
    if not books:
        raise VenueUnavailable(f"none of {len(markets)} markets has an order book; waiting for one")
    return clob.market_time_ms(books.values()) // 1_000


def choose(
    listed: Sequence[Market], followed: Iterable[Market], held: Iterable[Market], now_s: int, limit: int
) -> list[Market]:
    """At most `limit` markets to follow (more only if more are held), each as the listing describes it now.

    `listed` takes orders now, so a market past its scheduled end is followed too (a game that runs on), after others.
    """
    open_now = {m.market_id: m for m in listed if m.start_s is None or m.start_s <= now_s}
    chosen = {m.market_id: _renewed(m, open_now) for m in held}
    wanted = [open_now[m.market_id] for m in followed if m.market_id in open_now]
    for market in sorted([*wanted, *open_now.values()], key=lambda m: m.end_s is not None and m.end_s <= now_s):
        if len(chosen) >= limit:
            break
        chosen.setdefault(market.market_id, market)
    return list(chosen.values())


def to_read(wanted: MarketsParams, max_markets: int) -> int:
    """How many markets of the listing are read, the most traded first."""
    chooses = bool(wanted.allow) or wanted != MarketsParams(deny=wanted.deny)
    return max(LISTED_TO_CHOOSE if chooses else LISTED, 2 * max_markets)


def not_followed(
    listed: Sequence[Market], chosen: Sequence[Market], reasons: Mapping[str, Why | None], now_s: int
) -> dict[str, tuple[Market, Why]]:
    """Market id -> market and why it is not followed; `reasons` are those of `unwanted` by market id."""
    names = {market.market_id for market in chosen}
    found = {}
    for market in listed:
        if market.market_id not in names:
            early = market.start_s is not None and market.start_s > now_s
            other = Why("not started yet" if early else "beyond serving.max_markets")
            found[market.market_id] = (market, reasons.get(market.market_id) or other)
    return found


def _renewed(held: Market, listed: Mapping[str, Market]) -> Market:
    """A held market as it is listed now; as we know it, where the row names other tokens than those that are held."""
    now = listed.get(held.market_id, held)
    return now if (now.token_yes, now.token_no) == (held.token_yes, held.token_no) else held
