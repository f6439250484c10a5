"""Turn the JSON of a signed order into an order of the engine, with all checks that do not need the book."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec

from pipelines.core.domain import Side
from pipelines.core.money import PRICE_SCALE, SHARE_GRID
from simulator.engine.markets import LiveMarket
from simulator.engine.orders import Order, TimeInForce
from simulator.engine.refusals import Refused
from simulator.signing.credentials import Credentials
from simulator.signing.eip712 import ZERO_ADDRESS, ZERO_BYTES32, SignedFields, order_digest
from simulator.signing.recover import DEPOSIT_WALLET, EOA, BadSignature, checksum, order_signer, signature_bytes
from simulator.venue.venue import Venue

GTD_LEAD_S = 180
"""A GTD order must expire at least this many seconds after it is sent."""

GTD_EARLY_S = 60
"""A GTD order leaves the book this many seconds before its expiration."""

MAX_UINT = 2**256 - 1


class WireOrder(msgspec.Struct, frozen=True):
    """The signed part of a POST /order body, domain versions 1 to 3. `timestamp` exists from version 2 on."""

    salt: int | str
    maker: str
    signer: str
    tokenId: str  # noqa: N815 - the venue's name
    makerAmount: str  # noqa: N815
    takerAmount: str  # noqa: N815
    side: str
    signatureType: int  # noqa: N815
    signature: str
    expiration: int | str = "0"
    timestamp: str | None = None
    metadata: str = ZERO_BYTES32
    builder: str = ZERO_BYTES32
    taker: str = ZERO_ADDRESS
    nonce: str = "0"
    feeRateBps: str = "0"  # noqa: N815


class WireEntry(msgspec.Struct, frozen=True):
    """One order as posted."""

    order: WireOrder
    owner: str
    orderType: str = "GTC"  # noqa: N815
    postOnly: bool = False  # noqa: N815
    deferExec: bool = False  # noqa: N815


INVALID_PAYLOAD = "Invalid order payload"


def parse_entry(document: Any) -> WireEntry:
    """A posted order from decoded JSON.

    Raises:
        Refused: "Invalid order payload".
    """
    try:
        return msgspec.convert(document, WireEntry)
    except msgspec.ValidationError:
        raise Refused(INVALID_PAYLOAD) from None


def build_order(
    venue: Venue, entry: WireEntry, caller: Credentials, check_contract: Callable[[int], None] = lambda version: None
) -> Order:
    """Verify a posted order and return it as an order of the engine; its id is the EIP-712 hash.

    Args:
        venue: where it is placed; an account is opened for a new address.
        entry: the order as posted.
        caller: the API key that posted it.
        check_contract: refuses exchange contracts (by domain version) that a fault has retired.

    Raises:
        Refused: with the venue's text.
    """
    wire = entry.order
    kind = _kind(entry)
    if entry.owner != caller.key:
        raise Refused("the order owner has to be the owner of the API KEY")
    fields = _fields(wire)
    market = venue.exchange.by_token.get(wire.tokenId)
    if market is None:
        raise Refused("No orderbook exists for the requested token id", 404)
    version = _version(venue, wire, market)
    check_contract(version)
    _check_parties(fields, caller)
    _check_signature(venue, wire, fields, version, market, caller)
    _check_wallet(venue, fields, caller)
    order = _shape(venue, entry, fields, market, kind, caller)
    order.order_id = "0x" + order_digest(fields, version, market.listing.neg_risk).hex()
    return order


def _kind(entry: WireEntry) -> TimeInForce:
    try:
        kind = TimeInForce(entry.orderType)
    except ValueError:
        raise Refused(INVALID_PAYLOAD) from None
    if entry.postOnly and kind in (TimeInForce.FOK, TimeInForce.FAK):
        raise Refused("invalid post-only order: only GTC and GTD orders can be post-only")
    return kind


def _fields(wire: WireOrder) -> SignedFields:
    try:
        fields = SignedFields(
            salt=_uint(wire.salt),
            maker=wire.maker,
            signer=wire.signer,
            token_id=_uint(wire.tokenId),
            maker_amount=_uint(wire.makerAmount),
            taker_amount=_uint(wire.takerAmount),
            side={"BUY": 0, "SELL": 1}[wire.side],
            signature_type=wire.signatureType,
            timestamp_ms=_uint(wire.timestamp or "0"),
            metadata=wire.metadata or ZERO_BYTES32,
            builder=wire.builder or ZERO_BYTES32,
            taker=wire.taker or ZERO_ADDRESS,
            expiration=_uint(wire.expiration),
            nonce=_uint(wire.nonce),
            fee_rate_bps=_uint(wire.feeRateBps),
        )
        if fields.signature_type not in (0, 1, 2, 3):
            raise Refused(INVALID_PAYLOAD)
        fields.struct_hash(1 if wire.timestamp is None else 2)
    except (ValueError, KeyError, OverflowError):
        raise Refused(INVALID_PAYLOAD) from None
    return fields


def _uint(text: int | str) -> int:
    if isinstance(text, str) and not (text.isascii() and text.isdigit() and len(text) <= 78):
        raise ValueError(text[:80])
    value = int(text)
    if not 0 <= value <= MAX_UINT:
        raise OverflowError(str(value)[:80])
    return value


def _version(venue: Venue, wire: WireOrder, market: LiveMarket) -> int:
    allowed = venue.options.order_versions
    if wire.timestamp is None:
        if 1 not in allowed:
            raise Refused("order_version_mismatch")
        if market.version != "v1":
            raise Refused("invalid order version, please use the latest clob-client")
        if wire.nonce != "0":
            raise Refused("invalid nonce")
        return 1
    version = 3 if market.version == "v2" else 2
    if version not in allowed:
        raise Refused("order_version_mismatch")
    return version


def _check_parties(fields: SignedFields, caller: Credentials) -> None:
    maker, signer, owner = fields.maker.lower(), fields.signer.lower(), caller.address.lower()
    if fields.signature_type == DEPOSIT_WALLET:
        if maker != signer:
            raise Refused("the order signer address has to be the address of the API KEY")
        return
    if signer != owner:
        raise Refused("the order signer address has to be the address of the API KEY")
    if fields.signature_type == EOA and maker != signer:
        raise Refused("maker address not allowed, please use the deposit wallet flow")


def _check_signature(
    venue: Venue, wire: WireOrder, fields: SignedFields, version: int, market: LiveMarket, caller: Credentials
) -> None:
    neg_risk, owner = market.listing.neg_risk, caller.address.lower()
    try:
        raw = signature_bytes(wire.signature)
        if order_signer(fields, version, neg_risk, raw).lower() == owner:
            return
    except BadSignature:
        raw = b""
    # A valid signature for another version gets the error that tells the client to change its version.
    for other in (2, 3) if version != 1 else ():
        try:
            if raw and other != version and order_signer(fields, other, neg_risk, raw).lower() == owner:
                raise Refused("order_version_mismatch")
        except BadSignature:
            continue
    raise Refused("invalid signature")


def _check_wallet(venue: Venue, fields: SignedFields, caller: Credentials) -> None:
    """Refuse a wallet that another account signed for first."""
    owner = venue.wallets.setdefault(fields.maker.lower(), caller.address)
    if owner != caller.address:
        raise Refused("maker address not allowed, please use the deposit wallet flow")


def _shape(
    venue: Venue, entry: WireEntry, fields: SignedFields, market: LiveMarket, kind: TimeInForce, caller: Credentials
) -> Order:
    side = Side.BUY if fields.side == 0 else Side.SELL
    cash, shares = (
        (fields.maker_amount, fields.taker_amount) if side is Side.BUY else (fields.taker_amount, fields.maker_amount)
    )
    if cash == 0 or shares == 0:
        raise Refused("invalid amounts, the maker and taker amounts must be higher than 0")
    is_market = kind in (TimeInForce.FOK, TimeInForce.FAK)
    _check_precision(side, is_market, fields)
    units = _price(venue, fields, market, side, cash, shares, is_market)
    is_budget = is_market and side is Side.BUY
    outcome = market.outcome(entry.order.tokenId)
    return Order(
        order_id="",
        account=venue.open_account(caller.address),
        market_id=market.listing.market_id,
        token_id=entry.order.tokenId,
        outcome=outcome,
        label=market.label(outcome),
        side=side,
        price_units=units,
        shares_micro=0 if is_budget else shares,
        budget_micro=cash if is_budget else 0,
        kind=kind,
        post_only=entry.postOnly,
        expires_s=_expiry(venue, kind, fields.expiration),
        created_s=int(venue.wall_s()),
        expiration=fields.expiration,
        owner=caller.key,
        maker_address=checksum(fields.maker),
        builder=fields.builder,
    )


def _price(
    venue: Venue, fields: SignedFields, market: LiveMarket, side: Side, cash: int, shares: int, is_market: bool
) -> int:
    """Limit price in units of 1e-4. The implied price of a market order is rounded to the tick, against the taker."""
    tick = market.tick_units
    if is_market:
        if side is Side.BUY:
            return min(cash * PRICE_SCALE // shares // tick * tick, PRICE_SCALE - tick)
        return max(-(-cash * PRICE_SCALE // (shares * tick)) * tick, tick)
    units, rest = divmod(cash * PRICE_SCALE, shares)
    if rest or not tick <= units <= PRICE_SCALE - tick:
        digest = "0x" + order_digest(fields, 2, market.listing.neg_risk).hex()
        price = Decimal(cash) / Decimal(shares)
        raise Refused(
            f"order {digest} is invalid. Price ({price.normalize():f}) breaks minimum tick size rule: "
            f"{Decimal(tick) / PRICE_SCALE:f}"
        )
    return units


def _check_precision(side: Side, is_market: bool, fields: SignedFields) -> None:
    if not is_market:
        shares = fields.taker_amount if side is Side.BUY else fields.maker_amount
        if shares % SHARE_GRID:
            raise Refused(
                f"invalid amounts, the {side.value.lower()} orders maker amount supports a max accuracy of "
                + (
                    "4 decimals, taker amount a max of 2 decimals"
                    if side is Side.BUY
                    else "2 decimals, taker amount a max of 4 decimals"
                )
            )
        return
    if fields.maker_amount % 10_000 or fields.taker_amount % 100:
        raise Refused(
            f"invalid amounts, the market {side.value.lower()} orders maker amount supports a max accuracy "
            "of 2 decimals, taker amount a max of 4 decimals"
        )


def _expiry(venue: Venue, kind: TimeInForce, expiration: int) -> int:
    if kind is TimeInForce.GTD:
        if expiration < venue.wall_s() + GTD_LEAD_S:
            raise Refused("invalid expiration")
        return min(expiration, 2**53) - GTD_EARLY_S
    if expiration:
        raise Refused("invalid expiration")
    return 0
