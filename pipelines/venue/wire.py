"""Messages as the venue writes them: one struct per shape, unknown fields ignored, numbers often as text."""

import msgspec

Number = float | int | str
"""The venue writes the same field as a number in one place and as text in another."""


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
    tick_size: str = ""
    min_order_size: str = ""
    neg_risk: bool | None = None
    last_trade_price: str = ""


class FeeScheduleWire(msgspec.Struct):
    """Gamma's `feeSchedule`."""

    rate: float = 0.0
    exponent: float = 1.0


class GammaEvent(msgspec.Struct):
    """An event inside a Gamma market."""

    id: Number = ""
    slug: str = ""
    title: str = ""


class GammaTag(msgspec.Struct):
    """A tag of a Gamma market."""

    slug: str = ""
    label: str = ""


class GammaMarket(msgspec.Struct, rename="camel"):
    """A market of `GET /markets/keyset`: only what is known in advance is named, so nothing else can be read."""

    condition_id: str = ""
    question: str | None = None
    slug: str | None = None
    category: str | None = None
    clob_token_ids: str | None = None
    """JSON text of an array: the Yes token, then the No token."""
    position_ids: list[str] | None = None
    version: str | None = None
    order_price_min_tick_size: Number | None = None
    order_min_size: Number | None = None
    fees_enabled: bool | None = None
    fee_schedule: FeeScheduleWire | None = None
    fee_type: str | None = None
    """Such as `crypto_fees_v2`: names the venue's own category."""
    neg_risk: bool | None = None
    enable_order_book: bool | None = None
    accepting_orders: bool | None = None
    closed: bool | None = None
    start_date: str | None = None
    end_date: str | None = None
    events: list[GammaEvent] | None = None
    tags: list[GammaTag] | None = None


class GammaLabel(msgspec.Struct, rename="camel"):
    """What is known of a market only after its end: asked for apart, so that it cannot enter what is learned from."""

    condition_id: str = ""
    outcome_prices: str | None = None
    """JSON text of an array of two prices: what Yes and No paid, once resolved."""
    uma_resolution_status: str | None = None


class GammaLabels(msgspec.Struct):
    """A page of labels."""

    markets: list[GammaLabel]


class GammaPage(msgspec.Struct):
    """A page of markets; no cursor means the last page."""

    markets: list[GammaMarket]
    next_cursor: str | None = None


class Pagination(msgspec.Struct):
    """The Data API's envelope."""

    has_more: bool = False
    next_cursor: str | None = None


class PricePoint(msgspec.Struct):
    """A point of `/v2/prices-history`: seconds and price."""

    timestamp: float
    price: float


class PricePage(msgspec.Struct):
    """A page of price points; a miss is `data: null`."""

    data: list[PricePoint] | None = None
    pagination: Pagination | None = None


class TradeRow(msgspec.Struct):
    """A row of `/v2/trades`."""

    timestamp: float
    size: float
    price: float
    side: str = ""
    token_id: str = ""
    transaction_hash: str = ""


class TradePage(msgspec.Struct):
    """A page of trades, newest first."""

    data: list[TradeRow] | None = None
    pagination: Pagination | None = None


class PriceLevelChange(msgspec.Struct):
    """One change of a `price_change` message: the level's new total size, and the touch after it."""

    asset_id: str
    price: str
    size: str
    side: str
    best_bid: str = ""
    best_ask: str = ""
    hash: str = ""
