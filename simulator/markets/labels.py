"""Names of a market's two outcomes: Yes and No, or two names of a game, as in more than a quarter of real markets."""

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
"""Two begin like the ordinary labels: an outcome is told by its token, never by its name."""

PLAYERS = ("M. Okafor", "A. Lindqvist", "K. Tanaka", "D. Varga", "E. Moreau", "J. Castell", "T. Dumont", "R. Ashby")


def labels_of(seed: int, market_id: str, share: float) -> tuple[str, str]:
    """Labels of the outcomes of a market, first and second: a function of the seed and the market alone.

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
