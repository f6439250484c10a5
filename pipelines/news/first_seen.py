"""When headlines were seen first: a feed says when an entry was published, not when it could be read.

Bot and ingest write to the same archive, a line of JSON for each entry that neither had seen, and read each other's
lines: whoever looks more often sets the time.
"""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from pipelines.core.artifacts import append_lines
from pipelines.news.rss import Item

FILE: Final = "first-seen.jsonl"
"""In var."""
OLD_S: Final = 21_600
"""An entry that was published so long before it was seen first is no news: it is left out."""


class FirstSeen:
    """Seconds at which entries were seen first, by id, in a file that only grows."""

    def __init__(self, path: Path) -> None:
        self._path, self._read = path, 0
        self._times: dict[str, int] = {}

    def dated(self, items: Sequence[Item], now_s: int) -> list[Item]:
        """The entries with a `known_s` that is not before they were seen first, by which they are sorted.

        Entries whose source states since when they could be read stay as they are. Those that are new are written to
        the archive before they are returned.
        """
        self._follow()
        unknown = {item.item_id: now_s for item in items if not item.stated and item.item_id not in self._times}
        if unknown:
            self._append(unknown)
            self._follow()
        dated = [item if item.stated else replace(item, known_s=self._known_s(item)) for item in items]
        found = [item for item in dated if item.stated or item.known_s - item.published_s <= OLD_S]
        return sorted(found, key=lambda item: (item.known_s, item.item_id))

    def _known_s(self, item: Item) -> int:
        return max(item.known_s, self._times[item.item_id])

    def _append(self, times: dict[str, int]) -> None:
        append_lines(self._path, "".join(json.dumps({"id": name, "at_s": at_s}) + "\n" for name, at_s in times.items()))

    def _follow(self) -> None:
        """Take in the lines that were added since the last look; the earliest time of an entry counts."""
        if not self._path.is_file():
            return
        with self._path.open("rb") as stream:
            stream.seek(self._read)
            text = stream.read()
        whole = text.rfind(b"\n") + 1
        self._read += whole
        for line in text[:whole].splitlines():
            try:
                row = json.loads(line)
                name, at_s = str(row["id"]), int(row["at_s"])
            except (ValueError, KeyError, TypeError):
                continue
            self._times[name] = min(at_s, self._times.get(name, at_s))
