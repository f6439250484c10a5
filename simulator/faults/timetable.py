"""Start times of faults: from a file in wall time, from a schedule or a profile in market time."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipelines.core.errors import ParameterError
from simulator.faults.catalog import parse
from simulator.faults.profiles import Profile
from simulator.faults.schedule import TimedFault, profile_schedule

DAY_S = 86_400


class Timetable:
    """Faults that are scheduled and have not started."""

    def __init__(self) -> None:
        self._by_wall: list[TimedFault] = []
        self._by_market: list[TimedFault] = []
        self._profile: Profile | None = None
        self._seed = 1
        self._day = -1

    def __len__(self) -> int:
        return len(self._by_wall) + len(self._by_market)

    def clear(self) -> None:
        """Drop all scheduled faults and the profile."""
        self._by_wall, self._by_market, self._profile = [], [], None

    def read(self, path: Path, wall_s: float) -> int:
        """Schedule the faults of a JSON file and return its seed; docs/simulator.md shows the format.

        Raises:
            ParameterError: if the file cannot be read or an event is wrong.
        """
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
            events = [(wall_s + float(event["at_s"]), event) for event in document["events"]]
            seed = int(document.get("seed", 1))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ParameterError(
                f"--faults {path} cannot be used ({error!r}); give JSON as docs/simulator.md shows"
            ) from None
        self._by_wall = _checked(events)
        return seed

    def load(self, events: Sequence[TimedFault], market_s: int) -> None:
        """Schedule faults by market time, in minutes from now. They replace the ones loaded before.

        Raises:
            ParameterError: if an event is wrong; then no event is scheduled.
        """
        self._by_market = _checked([(market_s + at * 60, event) for at, event in events])

    def follow(self, profile: Profile, seed: int) -> None:
        """Schedule the recurring faults of a profile, one market day at a time."""
        self._profile, self._seed, self._day = profile, seed, -1

    def due(self, wall_s: float, market_s: int) -> list[dict[str, Any]]:
        """Faults that are due, in order of time. Each is returned once."""
        if self._profile is not None and self._day != market_s // DAY_S:
            self._plan_day(self._profile, market_s)
        found = [event for at, event in self._by_wall if at <= wall_s]
        found += [event for at, event in self._by_market if at <= market_s]
        self._by_wall = [pair for pair in self._by_wall if pair[0] > wall_s]
        self._by_market = [pair for pair in self._by_market if pair[0] > market_s]
        return found

    def _plan_day(self, profile: Profile, market_s: int) -> None:
        self._day = market_s // DAY_S
        begin = self._day * DAY_S
        coming = ((begin + at * 60, event) for at, event in profile_schedule(profile, self._seed, self._day))
        self._by_market += [pair for pair in coming if pair[0] >= market_s]
        self._by_market.sort(key=lambda pair: pair[0])


def _checked(events: list[TimedFault]) -> list[TimedFault]:
    for _, event in events:
        parse(event, "", 0.0)
    return sorted(events, key=lambda pair: pair[0])
