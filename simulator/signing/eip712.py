"""EIP-712 hashes of the venue's orders, for the three domain versions.

The structures are written out instead of using a generic typed-data encoder, because every order is hashed. Their
source: the exchanges' Order types (CTF Exchange versions 1, 2 and 3 on chain 137); the golden
vectors in the tests pin every hash.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from Crypto.Hash import keccak as _keccak

CHAIN_ID: Final = 137
ZERO_ADDRESS: Final = "0x" + "0" * 40
ZERO_BYTES32: Final = "0x" + "0" * 64
DOMAIN_NAME: Final = "Polymarket CTF Exchange"

EXCHANGES: Final = {
    (1, False): "0x4bFb41d5B3570DeFd03C39a9A4D8dE6Bd8B8982E",
    (1, True): "0xC5d563A36AE78145C45a50134d48A1215220f80a",
    (2, False): "0xE111180000d2663C0091e4f400237545B87B996B",
    (2, True): "0xe2222d279d744050d28e00520010520000310F59",
    (3, False): "0xe3333700cA9d93003F00f0F71f8515005F6c00Aa",
    (3, True): "0xe3333700cA9d93003F00f0F71f8515005F6c00Aa",
}
"""Verifying contract by (domain version, negative risk)."""

ORDER_V1: Final = (
    "Order(uint256 salt,address maker,address signer,address taker,uint256 tokenId,uint256 makerAmount,"
    "uint256 takerAmount,uint256 expiration,uint256 nonce,uint256 feeRateBps,uint8 side,uint8 signatureType)"
)
ORDER_V2: Final = (
    "Order(uint256 salt,address maker,address signer,uint256 tokenId,uint256 makerAmount,uint256 takerAmount,"
    "uint8 side,uint8 signatureType,uint256 timestamp,bytes32 metadata,bytes32 builder)"
)
WRAPPED: Final = (
    "TypedDataSign(Order contents,string name,string version,uint256 chainId,address verifyingContract,bytes32 salt)"
)
AUTH_MESSAGE: Final = "This message attests that I control the given wallet"


def keccak(data: bytes) -> bytes:
    """Keccak-256 (the hash of Ethereum, not SHA3-256)."""
    return _keccak.new(digest_bits=256, data=data).digest()


_DOMAIN_TYPE = keccak(b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)")
_AUTH_DOMAIN_TYPE = keccak(b"EIP712Domain(string name,string version,uint256 chainId)")
_AUTH_TYPE = keccak(b"ClobAuth(address address,string timestamp,uint256 nonce,string message)")
_ORDER_V1_TYPE = keccak(ORDER_V1.encode())
_ORDER_V2_TYPE = keccak(ORDER_V2.encode())
_WRAPPED_TYPE = keccak((WRAPPED + ORDER_V2).encode())
_WALLET_NAME = keccak(b"DepositWallet")
_WALLET_VERSION = keccak(b"1")
_AUTH_MESSAGE_HASH = keccak(AUTH_MESSAGE.encode())


def word(value: int) -> bytes:
    """32 bytes of an unsigned integer.

    Raises:
        OverflowError: if it is negative or has more than 256 bits.
    """
    return value.to_bytes(32, "big")


def address_word(address: str) -> bytes:
    """32 bytes of an address.

    Raises:
        ValueError: if it is not 0x + 40 hex.
    """
    raw = bytes.fromhex(address[2:])
    if len(raw) != 20 or not address.startswith("0x"):
        raise ValueError(f"address {address!r} is not 0x and 40 hex digits; send a full address")
    return b"\0" * 12 + raw


def bytes32(value: str) -> bytes:
    """32 bytes of a 0x-prefixed hex string.

    Raises:
        ValueError: if it is not 64 hex digits.
    """
    raw = bytes.fromhex(value.removeprefix("0x"))
    if len(raw) != 32:
        raise ValueError(f"{value!r} is not 32 bytes of hex; pad it with zeros")
    return raw


def domain_separator(version: int, neg_risk: bool) -> bytes:
    """Domain separator of the exchange contract of a version."""
    return _SEPARATORS[version, neg_risk]


_SEPARATORS = {
    key: keccak(
        _DOMAIN_TYPE
        + keccak(DOMAIN_NAME.encode())
        + keccak(str(key[0]).encode())
        + word(CHAIN_ID)
        + address_word(contract)
    )
    for key, contract in EXCHANGES.items()
}
_AUTH_SEPARATOR = keccak(_AUTH_DOMAIN_TYPE + keccak(b"ClobAuthDomain") + keccak(b"1") + word(CHAIN_ID))


@dataclass(frozen=True, slots=True)
class SignedFields:
    """The fields of an order as they are signed. Amounts and ids are integers, side is 0 (BUY) or 1 (SELL)."""

    salt: int
    maker: str
    signer: str
    token_id: int
    maker_amount: int
    taker_amount: int
    side: int
    signature_type: int
    timestamp_ms: int = 0
    metadata: str = ZERO_BYTES32
    builder: str = ZERO_BYTES32
    taker: str = ZERO_ADDRESS
    expiration: int = 0
    nonce: int = 0
    fee_rate_bps: int = 0

    def struct_hash(self, version: int) -> bytes:
        """hashStruct(Order) for domain version 1, 2 or 3."""
        return _struct_hash(self, version)

    def encode(self, version: int) -> bytes:
        """The type hash and the 32-byte words of the order's fields."""
        head = word(self.salt) + address_word(self.maker) + address_word(self.signer)
        amounts = word(self.token_id) + word(self.maker_amount) + word(self.taker_amount)
        kinds = word(self.side) + word(self.signature_type)
        if version == 1:
            limits = word(self.expiration) + word(self.nonce) + word(self.fee_rate_bps)
            return _ORDER_V1_TYPE + head + address_word(self.taker) + amounts + limits + kinds
        tail = word(self.timestamp_ms) + bytes32(self.metadata) + bytes32(self.builder)
        return _ORDER_V2_TYPE + head + amounts + kinds + tail


@lru_cache(maxsize=256)
def _struct_hash(fields: SignedFields, version: int) -> bytes:
    """Cached, because checking one order needs it several times. Versions 2 and 3 have the same hash."""
    return keccak(fields.encode(version))


def order_digest(fields: SignedFields, version: int, neg_risk: bool) -> bytes:
    """The hash that is signed, and the order's id on the venue."""
    return keccak(b"\x19\x01" + domain_separator(version, neg_risk) + fields.struct_hash(version))


def wrapped_digest(fields: SignedFields, version: int, neg_risk: bool) -> bytes:
    """What the owner of a deposit wallet signs (ERC-7739 TypedDataSign around the order)."""
    struct = keccak(
        _WRAPPED_TYPE
        + fields.struct_hash(version)
        + _WALLET_NAME
        + _WALLET_VERSION
        + word(CHAIN_ID)
        + address_word(fields.signer)
        + b"\0" * 32
    )
    return keccak(b"\x19\x01" + domain_separator(version, neg_risk) + struct)


def auth_digest(address: str, timestamp: str, nonce: int) -> bytes:
    """The hash of the login message (L1)."""
    struct = keccak(_AUTH_TYPE + address_word(address) + keccak(timestamp.encode()) + word(nonce) + _AUTH_MESSAGE_HASH)
    return keccak(b"\x19\x01" + _AUTH_SEPARATOR + struct)
