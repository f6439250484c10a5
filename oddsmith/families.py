"""Series markets of one length as a profile: its bars, lookback, horizon and markets. So several geometries live in one
clone."""

from collections.abc import Mapping
from typing import Final

_PATTERNS: Final[Mapping[str, tuple[str, ...]]] = {
    "5m": ("series:*up-or-down-5m", "slug:*-updown-5m-*"),
    "15m": ("series:*up-or-down-15m", "slug:*-updown-15m-*"),
    "1h": (
        "series:*up-or-down-1h",
        "series:*up-or-down-hourly",
        "slug:*-up-or-down-*am-et",
        "slug:*-up-or-down-*pm-et",
    ),
    "4h": ("series:*up-or-down-4h", "slug:*-updown-4h-*"),
}
"""How the venue and the local exchange name the windows of a length."""

_GEOMETRY: Final[Mapping[str, tuple[int, int, int, float]]] = {
    "5m": (5, 24, 12, 600 / 3_600),
    "15m": (15, 24, 12, 1_800 / 3_600),
    "1h": (60, 24, 12, 7_200 / 3_600),
    "4h": (60, 60, 24, 28_800 / 3_600),
}
"""Seconds of a bar, lookback and horizon in bars, and the hours to the end within which a window is followed: the
present one and the next, so that the next one is warm when its range begins."""


def assignments(length: str) -> list[str]:
    """What params.yaml of a family of series markets of this length says, as `oddsmith params set` takes it."""
    bar_s, lookback, horizon, hours = _GEOMETRY[length]
    allow = ", ".join(f"'{one}'" for one in _PATTERNS[length])
    return [
        f"bars.length_s={bar_s}",
        f"forecast.lookback_bars={lookback}",
        f"forecast.horizon_bars={horizon}",
        "gate.first_horizon=1",
        f"gate.last_horizon={horizon}",
        f"drift.horizon_bars={min(5, horizon)}",
        f"pull.allow=[{allow}]",
        f"markets.allow=[{allow}]",
        f"markets.max_hours_to_end={hours:.4g}",
        "pull.history_days=3",
    ]
