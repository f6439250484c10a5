"""Finished measurements of one state of the code, a line of JSON each: what a resumable benchmark need not do again."""

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.stage_runs import ROOT

Row = dict[str, Any]


class KeptRows:
    """Rows of a file that were measured with the same sources; `add` appends one."""

    def __init__(self, path: Path, sources: Sequence[str]) -> None:
        self._path, self._digest = path, digest(sources)
        lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
        found = [row for row in map(_row, lines) if row.pop("code", None) == self._digest]
        self.rows: list[Row] = found

    def find(self, about: Row) -> Row | None:
        """The row that was measured under these conditions, None where there is none."""
        return next((row for row in self.rows if about.items() <= row.items()), None)

    def add(self, row: Row) -> None:
        """Keep a finished row."""
        self.rows.append(row)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps({"code": self._digest, **row}) + "\n")

    def once(self, about: Row, measure: Callable[[], Row]) -> Row:
        """The row of these conditions: as it was kept, or measured now and kept."""
        found = self.find(about)
        if found is None:
            found = {**about, **measure()}
            self.add(found)
            print(json.dumps(found), flush=True)
        return found


def digest(sources: Sequence[str]) -> str:
    """Hash of the Python files below some paths of the program."""
    made = hashlib.sha256()
    for source in sources:
        path = ROOT / source
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            made.update(file.read_bytes())
    return made.hexdigest()[:16]


def _row(line: str) -> Row:
    """A line that an interruption cut short counts as none."""
    try:
        row: Row = json.loads(line)
    except json.JSONDecodeError:
        return {}
    return row
