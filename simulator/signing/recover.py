"""Recover the address that made a signature."""

from functools import lru_cache

from coincurve import PublicKey

from simulator.signing.eip712 import ORDER_V2, SignedFields, domain_separator, keccak, order_digest, wrapped_digest

EOA, PROXY, SAFE, DEPOSIT_WALLET = 0, 1, 2, 3

_CONTENTS = ORDER_V2.encode()
_WRAPPED_LENGTH = 65 + 32 + 32 + len(_CONTENTS) + 2


class BadSignature(ValueError):
    """A signature is malformed or does not belong to the message."""


def signature_bytes(text: str) -> bytes:
    """Raw bytes of a 0x-prefixed signature.

    Raises:
        BadSignature: if it is not hex.
    """
    try:
        return bytes.fromhex(text.removeprefix("0x"))
    except ValueError:
        raise BadSignature("signature is not hex; send 0x and hex digits") from None


def recover(digest: bytes, signature: bytes) -> str:
    """Checksummed address whose key signed a digest.

    Raises:
        BadSignature: if no address can be recovered.
    """
    if len(signature) != 65:
        raise BadSignature(f"signature has {len(signature)} bytes; send 65")
    parity = signature[64] - 27 if signature[64] >= 27 else signature[64]
    if parity not in (0, 1):
        raise BadSignature(f"recovery byte is {signature[64]}; send 27 or 28")
    try:
        key = PublicKey.from_signature_and_message(signature[:64] + bytes([parity]), digest, hasher=None)
    except ValueError:
        raise BadSignature("no key can be recovered from the signature; sign the message again") from None
    return checksum(keccak(key.format(compressed=False)[1:])[-20:].hex())


@lru_cache(maxsize=65_536)
def checksum(hex40: str) -> str:
    """EIP-55 form of an address given as 40 hex digits, with or without 0x."""
    plain = hex40.lower().removeprefix("0x")
    digest = keccak(plain.encode()).hex()
    mixed = "".join(c.upper() if int(d, 16) >= 8 else c for c, d in zip(plain, digest, strict=False))
    return "0x" + mixed


def order_signer(fields: SignedFields, version: int, neg_risk: bool, signature: bytes) -> str:
    """Address of the key behind an order: the plain signer, or the owner of the deposit wallet for type 3.

    Raises:
        BadSignature: if the signature is malformed or wraps another order.
    """
    if fields.signature_type != DEPOSIT_WALLET:
        return recover(order_digest(fields, version, neg_risk), signature)
    if len(signature) != _WRAPPED_LENGTH:
        raise BadSignature(f"wrapped signature has {len(signature)} bytes; send {_WRAPPED_LENGTH}")
    expected = domain_separator(version, neg_risk) + fields.struct_hash(version) + _CONTENTS
    if signature[65:-2] != expected or signature[-2:] != len(_CONTENTS).to_bytes(2, "big"):
        raise BadSignature("wrapped signature is for another order or exchange; sign the order that is sent")
    return recover(wrapped_digest(fields, version, neg_risk), signature[:65])
