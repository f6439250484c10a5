"""API keys: created after an L1 signature, and checked on every L2 request."""

import base64
import hashlib
import hmac
import secrets
from dataclasses import dataclass, field
from enum import StrEnum
from uuid import UUID

from simulator.signing.eip712 import auth_digest
from simulator.signing.recover import BadSignature, checksum, recover, signature_bytes


class KeyScope(StrEnum):
    """What a key may do."""

    TRADE = "trade"
    READ = "read"
    BUILDER = "builder"
    """Attributes orders to an application. It signs builder headers and cannot sign requests of an account."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """One API key of an address."""

    key: str
    secret: str
    passphrase: str
    address: str
    scope: KeyScope = KeyScope.TRADE
    created_s: float = 0.0


@dataclass(slots=True)
class KeyRing:
    """All API keys. The same address and nonce give the same key, as on the venue, as long as `pepper` is the same."""

    pepper: bytes = field(default_factory=lambda: secrets.token_bytes(16))
    by_key: dict[str, Credentials] = field(default_factory=dict)
    revoked: dict[str, float] = field(default_factory=dict)
    """Builder keys that were revoked, with the wall time; they stay listed."""
    issued: int = 0
    """Number of read-only and builder keys created so far; each key has its own number."""

    def login(self, address: str, signature: str, timestamp: str, nonce: str) -> str:
        """Checksummed address of a valid L1 login.

        Raises:
            BadSignature: if the signature is not of this address.
        """
        try:
            digest = auth_digest(address, timestamp, int(nonce or "0"))
            int(timestamp)
        except (ValueError, OverflowError):
            raise BadSignature("login headers are malformed; send address, seconds and nonce") from None
        signer = recover(digest, signature_bytes(signature))
        if signer.lower() != address.lower():
            raise BadSignature("login is signed by another address; sign with the key of POLY_ADDRESS")
        return signer

    def issue(self, address: str, number: int, scope: KeyScope = KeyScope.TRADE, created_s: float = 0.0) -> Credentials:
        """Create the key of an address and a number (the login's nonce, or a count). Equal numbers give equal keys."""
        seed = self._seed(address, number, scope)
        made = Credentials(
            key=_name(seed),
            secret=base64.urlsafe_b64encode(seed[16:48]).decode(),
            passphrase=hashlib.sha256(seed[48:]).hexdigest(),
            address=checksum(address),
            scope=scope,
            created_s=created_s,
        )
        self.by_key[made.key] = made
        return made

    def find(self, address: str, nonce: int) -> Credentials | None:
        """The trading key of an address and nonce; None if it was never created or is deleted."""
        return self.by_key.get(_name(self._seed(address, nonce, KeyScope.TRADE)))

    def _seed(self, address: str, number: int, scope: KeyScope) -> bytes:
        return hmac.digest(self.pepper, f"{checksum(address)}/{number}/{scope}".encode(), "sha512")

    def of(self, address: str, scope: KeyScope = KeyScope.TRADE) -> list[Credentials]:
        """Keys of an address, the oldest first."""
        owner = checksum(address)
        return [c for c in self.by_key.values() if c.address == owner and c.scope is scope]

    def check(self, key: str, passphrase: str, address: str, signature: str, message: bytes) -> Credentials | None:
        """Credentials of an account's signed request; None if key, passphrase, address or signature is wrong."""
        known = self.by_key.get(key)
        if known is None or known.scope is KeyScope.BUILDER or known.address.lower() != address.lower():
            return None
        return known if self._fits(known, passphrase, signature, message) else None

    def check_builder(self, key: str, passphrase: str, signature: str, message: bytes) -> Credentials | None:
        """The builder key that signed a request; None if it, passphrase or signature is wrong, or it is revoked."""
        known = self.by_key.get(key)
        if known is None or known.scope is not KeyScope.BUILDER or key in self.revoked:
            return None
        return known if self._fits(known, passphrase, signature, message) else None

    @staticmethod
    def _fits(known: Credentials, passphrase: str, signature: str, message: bytes) -> bool:
        if not hmac.compare_digest(known.passphrase.encode(), passphrase.encode()):
            return False
        return hmac.compare_digest(request_signature(known.secret, message).encode(), signature.encode())


def _name(seed: bytes) -> str:
    return str(UUID(bytes=seed[:16], version=4))


def request_signature(secret: str, message: bytes) -> str:
    """URL-safe base64 of HMAC-SHA256 over timestamp + method + path + body."""
    return base64.urlsafe_b64encode(hmac.digest(base64.urlsafe_b64decode(secret), message, "sha256")).decode()
