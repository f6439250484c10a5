"""API keys: made from an L1 signature, checked on every L2 request."""

import base64
import hashlib
import hmac
import secrets
from dataclasses import dataclass, field
from uuid import UUID

from simulator.signing.eip712 import auth_digest
from simulator.signing.recover import BadSignature, checksum, recover, signature_bytes


@dataclass(frozen=True, slots=True)
class Credentials:
    """One API key of an address."""

    key: str
    secret: str
    passphrase: str
    address: str
    readonly: bool = False


@dataclass(slots=True)
class KeyRing:
    """All API keys. Keys are a function of address and nonce, as on the venue, until the process ends."""

    pepper: bytes = field(default_factory=lambda: secrets.token_bytes(16))
    by_key: dict[str, Credentials] = field(default_factory=dict)

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

    def issue(self, address: str, nonce: int, *, readonly: bool = False) -> Credentials:
        """The key of an address and nonce; the same one every time."""
        owner = checksum(address)
        seed = hmac.digest(self.pepper, f"{owner}/{nonce}/{readonly}".encode(), "sha512")
        made = Credentials(
            key=str(UUID(bytes=seed[:16], version=4)),
            secret=base64.urlsafe_b64encode(seed[16:48]).decode(),
            passphrase=hashlib.sha256(seed[48:]).hexdigest(),
            address=owner,
            readonly=readonly,
        )
        self.by_key[made.key] = made
        return made

    def find(self, address: str, nonce: int) -> Credentials | None:
        """The key of an address and nonce, if it was made and not deleted."""
        would_be = self.issue_key_name(address, nonce)
        return self.by_key.get(would_be)

    def issue_key_name(self, address: str, nonce: int) -> str:
        """Name that the key of an address and nonce has or would have."""
        seed = hmac.digest(self.pepper, f"{checksum(address)}/{nonce}/False".encode(), "sha512")
        return str(UUID(bytes=seed[:16], version=4))

    def of(self, address: str, *, readonly: bool = False) -> list[Credentials]:
        """Keys of an address."""
        owner = checksum(address)
        return [c for c in self.by_key.values() if c.address == owner and c.readonly is readonly]

    def check(self, key: str, passphrase: str, address: str, signature: str, message: bytes) -> Credentials | None:
        """Credentials behind a signed request; None when anything does not fit."""
        known = self.by_key.get(key)
        if known is None or known.address.lower() != address.lower():
            return None
        if not hmac.compare_digest(known.passphrase, passphrase):
            return None
        expected = request_signature(known.secret, message)
        return known if hmac.compare_digest(expected.encode(), signature.encode()) else None


def request_signature(secret: str, message: bytes) -> str:
    """URL-safe base64 of HMAC-SHA256 over timestamp + method + path + body."""
    return base64.urlsafe_b64encode(hmac.digest(base64.urlsafe_b64decode(secret), message, "sha256")).decode()
