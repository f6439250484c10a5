"""Messages as the venue writes them: one struct per shape, unknown fields ignored, numbers often as text."""

from typing import Any

import msgspec


class Level(msgspec.Struct):
    """Price and total size of a level, both as text; prices may come as `.48`."""

    price: str
    size: str


class Book(msgspec.Struct):
    """`GET /book`, and the stream's `book` (which may omit size and risk). The best level is the last of each list."""

    market: str
    asset_id: str
    timestamp: str
    bids: list[Level] = []
    asks: list[Level] = []
    hash: str = ""
    tick_size: str | float | None = ""


class GammaLabel(msgspec.Struct, rename="camel"):
    """What is known of a market only after its end: asked for apart, so that it cannot enter what is learned from."""

    condition_id: str = ""
    outcome_prices: str | None = None
    """JSON text of an array of two prices: what Yes and No paid, once resolved."""
    uma_resolution_status: str | None = None
    uma_resolution_statuses: str | list[str] | None = None
    """Steps of the resolution, JSON text of an array or an array: `disputed` is one where somebody objected."""


class GammaPage(msgspec.Struct):
    """A page of markets, each row as JSON gives it (`gamma_rows` reads them); no cursor means the last page."""

    markets: list[Any] | None = None
    next_cursor: Any = None


class Pagination(msgspec.Struct):
    """The Data API's envelope."""

    has_more: bool = False
    next_cursor: str | None = None


class DataPage(msgspec.Struct):
    """A page of the Data API, each row not read yet (one that cannot be read leaves the others); a miss is null."""

    data: list[msgspec.Raw] | None = None
    pagination: Pagination | None = None


class PricePoint(msgspec.Struct):
    """A point of `/v2/prices-history`: seconds and price."""

    timestamp: float
    price: float


class TradeRow(msgspec.Struct):
    """A row of `/v2/trades`."""

    timestamp: float
    size: float
    price: float
    side: str = ""
    token_id: str = ""
    transaction_hash: str = ""
    proxy_wallet: str = ""


class TokenHolders(msgspec.Struct):
    """A row of `/v2/holders`: the largest holders of a token, each not read yet."""

    token_id: str
    holders: list[msgspec.Raw] = []


class Holder(msgspec.Struct):
    """One of them."""

    proxy_wallet: str
    token_id: str
    amount: float


class PriceLevelChange(msgspec.Struct):
    """One change of a `price_change` message: the level's new total size, and the touch after it."""

    asset_id: str
    price: str
    size: str
    side: str
    best_bid: str = ""
    best_ask: str = ""
    hash: str = ""
