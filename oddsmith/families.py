"""Series markets of one kind as a profile: its bars, lookback, horizon and markets. So several geometries live in one
clone."""

from collections.abc import Mapping
from typing import Final

from pipelines.venue.rule_titles import ASSETS

_NAMES: Final = "|".join([*ASSETS, *(symbol.lower() for symbol in ASSETS.values())])

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
    "ladder": (rf"question:^(will )?(the )?(price of )?({_NAMES}) (be )?above \$?\d[\d,.]*k? on ",),
}
"""How the venue and the local exchange name the windows of a length, and the levels of a ladder. Slugs and series of
ladders have shares and metals among them, whose rule is not known."""

_GEOMETRY: Final[Mapping[str, tuple[int, int, int, float]]] = {
    "5m": (5, 24, 12, 600 / 3_600),
    "15m": (15, 24, 12, 1_800 / 3_600),
    "1h": (60, 24, 12, 7_200 / 3_600),
    "4h": (60, 60, 24, 28_800 / 3_600),
    "ladder": (60, 24, 12, 90_000 / 3_600),
}
"""Seconds of a bar, lookback and horizon in bars, and the hours to the end within which a window is followed: the
present one and the next, so that the next one is warm when its range begins. The venue's ladders end at noon of each
day, the local exchange's at every hour: with 25 hours those of tomorrow are followed an hour before today's end."""


def assignments(family: str) -> list[str]:
    """What params.yaml of this family of series markets says, as `oddsmith params set` takes it."""
    bar_s, lookback, horizon, hours = _GEOMETRY[family]
    allow = ", ".join(f"'{one}'" for one in _PATTERNS[family])
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
