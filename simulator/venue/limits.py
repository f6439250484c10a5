"""Trading rate limits of a signer: one token bucket for orders and one for cancels, as the venue publishes them.

Every signer is in the Standard tier. Mode `warn` (on the venue since 2026-07-24) refuses nothing; a header marks the
requests that are above the limit. Mode `on` refuses them, mode `off` counts nothing.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from math import ceil

TIER = "standard"


class BucketKind(StrEnum):
    """What a bucket is for."""

    ORDER = "order"
    CANCEL = "cancel"


class LimitMode(StrEnum):
    """What happens to a request that is above the limit."""

    OFF = "off"
    WARN = "warn"
    ON = "on"


RATES: dict[BucketKind, tuple[float, float]] = {BucketKind.ORDER: (40.0, 60.0), BucketKind.CANCEL: (80.0, 120.0)}
"""Tokens per second, and the most tokens that a bucket holds."""


@dataclass(slots=True)
class Bucket:
    """Tokens of one signer and kind; they are refilled at a constant rate."""

    per_s: float
    burst: float
    tokens: float
    at_s: float

    def refill(self, now_s: float) -> None:
        """Add the tokens since the last call; a wall clock that was set back adds none."""
        self.tokens = min(self.burst, self.tokens + max(0.0, now_s - self.at_s) * self.per_s)
        self.at_s = now_s

    def wait_s(self, tokens: int) -> float:
        """Seconds until the bucket holds `tokens`."""
        return max(0.0, (tokens - self.tokens) / self.per_s)


@dataclass(frozen=True, slots=True)
class Spent:
    """Result of a request for tokens: whether it is refused, and the headers of the answer."""

    refused: bool
    headers: dict[str, str]


@dataclass(slots=True)
class Limits:
    """Buckets of all signers."""

    mode: LimitMode = LimitMode.WARN
    _buckets: dict[tuple[str, BucketKind], Bucket] = field(default_factory=dict)

    def spend(self, address: str, kind: BucketKind, tokens: int, now_s: float) -> Spent | None:
        """Take `tokens` for a request if the bucket has them all, else take no token. None in mode `off`."""
        if self.mode is LimitMode.OFF:
            return None
        bucket = self._bucket(address, kind, now_s)
        enough = tokens <= bucket.tokens
        wait_s = bucket.wait_s(tokens)
        if enough:
            bucket.tokens -= tokens
        headers = {
            "Poly-RateLimit-Remaining": str(int(bucket.tokens)),
            "Poly-RateLimit-Reset": str(ceil(now_s + wait_s)),
            "Poly-RateLimit-Tier": TIER,
        }
        if enough:
            return Spent(False, headers)
        if self.mode is LimitMode.WARN:
            return Spent(False, headers | {"Poly-RateLimit-Warning": "true"})
        if tokens <= bucket.burst:
            headers["Retry-After"] = str(max(1, ceil(wait_s)))
        return Spent(True, headers)

    def debit(self, address: str, kind: BucketKind, tokens: int, now_s: float) -> None:
        """Take tokens after the fact, at most all that are left: the size of a cancel-all is known only afterwards."""
        if self.mode is not LimitMode.OFF:
            bucket = self._bucket(address, kind, now_s)
            bucket.tokens = max(0.0, bucket.tokens - tokens)

    def _bucket(self, address: str, kind: BucketKind, now_s: float) -> Bucket:
        bucket = self._buckets.get((address, kind))
        if bucket is None:
            per_s, burst = RATES[kind]
            bucket = self._buckets[address, kind] = Bucket(per_s, burst, burst, now_s)
        bucket.refill(now_s)
        return bucket
