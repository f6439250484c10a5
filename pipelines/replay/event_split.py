"""The earlier events of some histories, to learn from, and the last ones, to choose on."""

from collections.abc import Sequence

from pipelines.replay.market_history import History

HELD_OUT_SHARE = 0.25
"""Share of a slice's events, the last in time, on which what was learned is chosen."""


def split(histories: Sequence[History]) -> tuple[list[History], list[History]]:
    """Histories of the earlier events and of the last quarter of events (at least one of each where there are two)."""
    starts: dict[str, int] = {}
    for history in histories:
        event = history.market.event_id
        starts[event] = min(starts.get(event, int(history.ts_s[0])), int(history.ts_s[0]))
    events = sorted(starts, key=lambda event: (starts[event], event))
    late = set(events[len(events) - max(1, round(HELD_OUT_SHARE * len(events))) :]) if len(events) > 1 else set()
    early = [history for history in histories if history.market.event_id not in late]
    return early, [history for history in histories if history.market.event_id in late] or list(histories)
