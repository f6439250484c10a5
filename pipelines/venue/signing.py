"""Orders, exact and signed: amounts on integers, the client's own EIP-712 builder, the hash before anything is sent."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from eth_account import Account
from eth_utils.crypto import keccak
from py_clob_client_v2.config import get_contract_config
from py_clob_client_v2.order_utils import ExchangeOrderBuilderV2, SignatureTypeV2
from py_clob_client_v2.order_utils import Side as WireSide
from py_clob_client_v2.order_utils.model.order_data_v2 import OrderDataV2, SignedOrderV2
from py_clob_client_v2.order_utils.utils import generate_order_salt
from py_clob_client_v2.signer import Signer

from pipelines.core.domain import Side
from pipelines.core.errors import DataError
from pipelines.core.money import PRICE_SCALE, SHARE_GRID, market_buy_micro
from pipelines.core.orders import OrderIntent, OrderType

CHAIN_ID: Final = 137
"""Polygon; also what the simulator's domain says."""

DOMAIN_OF: Final = {"v1": 2, "v2": 3}
"""A market's Gamma version -> the version in the EIP-712 domain of its orders."""


MARKET_GRID: Final = 100
"""What a FAK order gets (pUSD of a sale, shares of a buy) has 4 decimals, in base units; the venue puts the price that
follows on its tick."""

GTD_LEAD_S: Final = 180
GTD_EARLY_S: Final = 60
"""A GTD order has to expire this long after it is sent, and leaves the book this long before its expiration."""


@dataclass(frozen=True, slots=True)
class Amounts:
    """What an order gives and takes, in base units."""

    maker: int
    taker: int


def amounts(intent: OrderIntent) -> Amounts:
    """Exact amounts of an order. Shares are multiples of 0.01 and prices of 0.0001, so the product is exact.

    A FAK sale states its shares. A FAK buy states the pUSD that it spends, and the shares that these buy at the limit,
    rounded down: rounded up, they would ask for a better price than the limit. The client's float arithmetic loses a
    cent of size on some numbers (1.15 becomes 1.14), so it is not used.

    Raises:
        DataError: for a size or a price off the grid or out of range.
    """
    if intent.shares_micro <= 0 or intent.shares_micro % SHARE_GRID:
        raise DataError(f"order size must be a positive multiple of 0.01 share, was {intent.shares_micro} micro-shares")
    off_tick = intent.price_units % intent.tick_units
    if off_tick or not intent.tick_units <= intent.price_units <= PRICE_SCALE - intent.tick_units:
        raise DataError(
            f"price must lie on the tick of {intent.tick_units} units inside (0, 1), was {intent.price_units}"
        )
    if intent.order_type is OrderType.FAK and intent.side is Side.BUY:
        spent = market_buy_micro(intent.shares_micro, intent.price_units)
        return Amounts(maker=spent, taker=spent * PRICE_SCALE // intent.price_units // MARKET_GRID * MARKET_GRID)
    cash = intent.shares_micro * intent.price_units // PRICE_SCALE
    if intent.order_type is OrderType.FAK:
        cash = cash // MARKET_GRID * MARKET_GRID
    if intent.side is Side.BUY:
        return Amounts(maker=cash, taker=intent.shares_micro)
    return Amounts(maker=intent.shares_micro, taker=cash)


def expiration_s(intent: OrderIntent, now_s: int) -> int:
    """Wall time that a GTD order names, so that it rests for its lifetime or the shortest the venue allows; else 0."""
    if intent.order_type is not OrderType.GTD:
        return 0
    return now_s + max(intent.lifetime_s + GTD_EARLY_S, GTD_LEAD_S) + 5


class OrderSigner:
    """Signs limit orders of one account. Pure: no network, no cache of market metadata."""

    def __init__(
        self,
        private_key: str,
        *,
        signature_type: int = 0,
        funder: str | None = None,
        salt: Callable[[], str] = generate_order_salt,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self._signer = Signer(private_key, CHAIN_ID)
        self._account = Account.from_key(private_key)
        self._kind = SignatureTypeV2(signature_type)
        self.address: str = self._signer.address()
        self.funder = funder or self.address
        self._salt = salt
        self._now_ms = now_ms
        self._builders: dict[tuple[str, str], ExchangeOrderBuilderV2] = {}

    def sign(self, intent: OrderIntent) -> tuple[str, SignedOrderV2]:
        """The order's hash (its id at the venue) and the signed order.

        Raises:
            DataError: for amounts off the grid, or a market version that has no order domain.
        """
        exact = amounts(intent)
        builder = self._builder(intent)
        order = builder.build_order(
            OrderDataV2(
                maker=self.funder,
                tokenId=intent.token_id,
                makerAmount=str(exact.maker),
                takerAmount=str(exact.taker),
                side=WireSide.BUY if intent.side is Side.BUY else WireSide.SELL,
                signer=self.funder if self._kind is SignatureTypeV2.POLY_1271 else self.address,
                signatureType=self._kind,
                timestamp=str(self._now_ms()),
                expiration=str(expiration_s(intent, self._now_ms() // 1_000)),
            )
        )
        typed: dict[str, Any] = builder.build_order_typed_data(order)
        order_id, signature = self._signed(builder, typed)
        return order_id, SignedOrderV2(**vars(order), signature=signature)

    def _signed(self, builder: ExchangeOrderBuilderV2, typed: dict[str, Any]) -> tuple[str, str]:
        """The builder's hash of an order and its signature, with the order encoded once: to encode it takes longer than
        to sign it."""
        if self._kind is SignatureTypeV2.POLY_1271:
            signature = str(builder.build_order_signature(typed))
            return _hash_in(signature), signature
        order_id = str(builder.build_order_hash(typed))
        signed = self._account.unsafe_sign_hash(bytes.fromhex(order_id.removeprefix("0x")))
        return order_id, "0x" + str(signed.signature.hex())

    def _builder(self, intent: OrderIntent) -> ExchangeOrderBuilderV2:
        domain = DOMAIN_OF.get(intent.version)
        if domain is None:
            raise DataError(f"market {intent.market_id} has version {intent.version!r}; known are {sorted(DOMAIN_OF)}")
        contracts = get_contract_config(CHAIN_ID)
        old = contracts.neg_risk_exchange_v2 if intent.neg_risk else contracts.exchange_v2
        contract, version = contracts.exchange_v3 if domain == 3 else old, str(domain)
        if (contract, version) not in self._builders:
            self._builders[contract, version] = ExchangeOrderBuilderV2(
                contract, CHAIN_ID, self._signer, self._salt, domain_version=version
            )
        return self._builders[contract, version]


def _hash_in(signature: str) -> str:
    """The hash of an order of a contract wallet: behind the 65 bytes of the key's signature stand, for the wallet to
    check, the hash of the exchange's domain and that of the order, which together are what the order's hash is of."""
    content = bytes.fromhex(signature.removeprefix("0x"))
    return "0x" + keccak(b"\x19\x01" + content[65:129]).hex()
