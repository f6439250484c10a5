"""Counter-based random streams. Each market and each event has its own, so that no path depends on another."""

from typing import Final

import numpy as np

EVENTS: Final = 1 << 63
"""Streams of events: this plus the event's number. The stream of a market's path is the market's number."""

TRADES: Final = 1 << 62
"""Streams that split volume into trades: this plus the market's number."""

SIZES: Final = 1 << 61
"""Streams of displayed sizes that a recording lacks: this plus the market's number."""

INFORMED: Final = 1 << 60
"""Streams of the informed trader's orders: this plus the market's number."""

EXCLUSIVE: Final = 1 << 59
"""Streams that decide which events' markets exclude each other: this plus the event's number."""

COMMON: Final = 1 << 58
"""Streams of what all markets of an event share: this plus the event's number."""

TRADERS: Final = 1 << 57
"""Streams of who made a trade: this plus the market's number."""

LARGE: Final = 1 << 56
"""Streams of the large account's minutes: this plus the market's number."""

STYLES: Final = 1 << 55
"""Streams of the wording of headlines: this plus the event's number."""


def generator(seed: int, stream: int) -> np.random.Generator:
    """The generator of one stream. Different streams and different seeds are independent."""
    return np.random.Generator(np.random.Philox(key=np.array([seed % 2**64, stream], dtype=np.uint64)))
