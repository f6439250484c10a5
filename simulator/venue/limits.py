"""Rate limits of a signer: a bucket of tokens for orders and one for cancels (the venue's trading rate limits).

Every signer is in the Standard tier. In `warn` mode, as on the venue since 2026-07-24, nothing is refused and a request
that would be says so in a header; in `on` mode it is refused; in `off` mode nothing is counted.
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
    """What happens when the tokens are used up."""

    OFF = "off"
    WARN = "warn"
    ON = "on"


RATES: dict[BucketKind, tuple[float, float]] = {BucketKind.ORDER: (40.0, 60.0), BucketKind.CANCEL: (80.0, 120.0)}
"""Tokens a second and the most that a bucket holds."""


@dataclass(slots=True)
class Bucket:
    """Tokens that come back with time."""

    per_s: float
    burst: float
    tokens: float
    at_s: float

    def refill(self, now_s: float) -> None:
        """Add what has come back since the last look; a clock that went back adds nothing."""
        self.tokens = min(self.burst, self.tokens + max(0.0, now_s - self.at_s) * self.per_s)
        self.at_s = now_s

    def wait_s(self, tokens: int) -> float:
        """Seconds until `tokens` are there."""
        return max(0.0, (tokens - self.tokens) / self.per_s)


@dataclass(frozen=True, slots=True)
class Spent:
    """What came of a request for tokens."""

    refused: bool
    headers: dict[str, str]


@dataclass(slots=True)
class Limits:
    """Buckets of all signers."""

    mode: LimitMode = LimitMode.WARN
    _buckets: dict[tuple[str, BucketKind], Bucket] = field(default_factory=dict)

    def spend(self, address: str, kind: BucketKind, tokens: int, now_s: float) -> Spent | None:
        """Take tokens for a request, all or none; None when nothing is counted."""
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
        """Take tokens for what is done already, down to none: a cancel-all knows its size only afterwards."""
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
