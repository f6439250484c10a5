"""Names of a market's two outcomes: Yes and No, or names such as two teams, as in more than a quarter of markets."""

import hashlib

YES_NO = ("Yes", "No")

PAIRS = (("Over", "Under"), ("Up", "Down"), ("Long", "Short"), ("Odd", "Even"))

TEAMS = (
    "Rovers",
    "Harriers",
    "Wanderers",
    "Athletic",
    "Mariners",
    "Foxes",
    "Rangers",
    "Saints",
    "No Limits",
    "Yes-Men",
)
"""Two names begin with No and Yes, to catch clients that read the outcome from its name instead of its token."""

PLAYERS = ("M. Okafor", "A. Lindqvist", "K. Tanaka", "D. Varga", "E. Moreau", "J. Castell", "T. Dumont", "R. Ashby")


def labels_of(seed: int, market_id: str, share: float) -> tuple[str, str]:
    """Labels of a market's first and second outcome. The same seed and market give the same labels.

    Args:
        seed: seed of the simulated markets.
        market_id: the market's condition id.
        share: share of markets whose outcomes have names, in [0, 1].
    """
    digest = hashlib.sha256(f"labels {seed} {market_id}".encode()).digest()
    if int.from_bytes(digest[:4], "big") >= share * 2**32:
        return YES_NO
    kind, pick = digest[4] % 3, digest[5:]
    if kind == 0:
        return PAIRS[pick[0] % len(PAIRS)]
    pool = TEAMS if kind == 1 else PLAYERS
    first = pick[0] % len(pool)
    second = (first + 1 + pick[1] % (len(pool) - 1)) % len(pool)
    return pool[first], pool[second]
