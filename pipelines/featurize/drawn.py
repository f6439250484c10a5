"""The events that are kept where a venue has more bars than later stages read."""

import hashlib
from collections.abc import Mapping


def drawn(slice_of_event: Mapping[str, str], bars: Mapping[str, int], most: int) -> frozenset[str]:
    """Events that are kept: all where `bars` (by event) are at most `most`, else the same share of each slice.

    Events are taken in the order of a hash of their id, so the draw knows nothing of prices and is much the same in the
    next night. Each slice keeps at least one event.
    """
    total = sum(bars.values())
    if total <= most:
        return frozenset(bars)
    left = {name: most * _sum(slice_of_event, bars, name) // total for name in set(slice_of_event.values())}
    kept = set()
    untouched = set(left)
    for event in sorted(bars, key=lambda name: hashlib.sha256(name.encode()).digest()):
        name = slice_of_event[event]
        if bars[event] <= left[name] or name in untouched:
            kept.add(event)
            untouched.discard(name)
            left[name] -= bars[event]
    return frozenset(kept)


def _sum(slice_of_event: Mapping[str, str], bars: Mapping[str, int], name: str) -> int:
    return sum(count for event, count in bars.items() if slice_of_event[event] == name)
