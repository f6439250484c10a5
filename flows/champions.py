"""Which bundle trades, and which ones did: the only writer of var/champion.json and var/champions.jsonl.

champion.json is replaced by rename; the service watches it. champions.jsonl is the history, a line per change, with
what was rolled back, so that a bundle that was taken off by a person does not come back by itself.
"""

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from flows.releases import Releases
from pipelines.core.artifacts import read_json, write_json
from pipelines.core.products import BUNDLE
from pipelines.core.settings import Settings

PROMOTED, DEPLOYED, ROLLED_BACK, RETIRED = "promoted", "deployed", "rolled_back", "retired"
CANDIDATE = BUNDLE

Record = dict[str, Any]
"""hash, bento_tag, mlflow_version, promoted_at, source."""


def champion_file() -> Path:
    """Where the fact stands which bundle trades."""
    return Settings().var / "champion.json"


def champion() -> Record | None:
    """The champion's record; None when nothing trades."""
    path = champion_file()
    return dict(read_json(path)) if path.exists() else None


def history() -> list[Record]:
    """Every change of champion, oldest first: the record with `event`, `at`, `reason` and, of a rollback, `withdrawn`.

    A last line that was cut off by a crash is left out.
    """
    path = _history_file()
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    found = []
    for line in lines:
        try:
            found.append(dict(json.loads(line)))
        except ValueError:
            continue
    return found


def withdrawn() -> dict[str, str]:
    """Hash -> reason of the bundles that were rolled back and not deployed again by a person since."""
    taken_off: dict[str, str] = {}
    for line in history():
        if line["event"] == ROLLED_BACK:
            taken_off[line["withdrawn"]] = line["reason"]
        if line["event"] in (DEPLOYED, ROLLED_BACK):
            taken_off.pop(line["hash"], None)
    return taken_off


def earlier() -> list[Record]:
    """Champions that may come back, the newest first: other than the present one, of its source, not withdrawn."""
    present = champion() or {}
    excluded = {present.get("hash"), *withdrawn()}
    found: dict[str, Record] = {}
    for line in reversed(history()):
        fits = line.get("source") == present.get("source", line.get("source"))
        if line["event"] in (PROMOTED, DEPLOYED) and fits and line["hash"] not in excluded:
            found.setdefault(line["hash"], line)
    return [_record(line) for line in found.values()]


def promote_record(record: Record, event: str, reason: str = "", **more: str) -> None:
    """Make a record the champion: the file by rename, then the history, then what other machines read."""
    present = champion()
    if present and not any(line["hash"] == present["hash"] for line in history()):
        _append({**present, "event": PROMOTED, "reason": "found without a line in the history"})
    write_json(champion_file(), _record(record))
    _append({**_record(record), "event": event, "reason": reason, **more})
    releases = Releases.of(Settings())
    if releases:
        releases.point_to(_record(record))


def retire(reason: str) -> None:
    """No champion any more: the service goes on in cash."""
    present = champion()
    if present:
        champion_file().unlink()
        _append({**present, "event": RETIRED, "reason": reason})


def bundle_folder(record: Record) -> Path | None:
    """Folder of a record's bundle on this machine: inside its bento, or the candidate; None where there is neither."""
    name, _, version = str(record["bento_tag"]).partition(":")
    home = Path(os.environ.get("BENTOML_HOME", str(Settings().var / "bento")))
    for folder in (home / "bentos" / name / version / "src" / "bundle", CANDIDATE):
        manifest = folder / "manifest.json"
        if manifest.is_file() and read_json(manifest)["hash"] == record["hash"]:
            return folder
    return None


def _record(line: Record) -> Record:
    return {key: value for key, value in line.items() if key not in ("event", "at", "reason", "withdrawn")}


def _history_file() -> Path:
    return Settings().var / "champions.jsonl"


def _append(line: Record) -> None:
    path = _history_file()
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps({**line, "at": datetime.now(UTC).isoformat(timespec="seconds")}, sort_keys=True)
    with path.open("a", encoding="utf-8") as stream:
        stream.write(text + "\n")
        stream.flush()
        os.fsync(stream.fileno())
