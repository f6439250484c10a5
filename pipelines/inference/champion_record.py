"""Which bundle is champion on this machine, which ones were taken off, and where their files lie.

`var/champion.json` is the record, replaced by rename; `var/champions.jsonl` has a line per change. `flows.champions`
writes both. The service, the flows and the commands read them here.
"""

import json
import os
from pathlib import Path
from typing import Any, Final

from pipelines.core.artifacts import read_json
from pipelines.core.errors import ArtifactError
from pipelines.core.products import BUNDLE

MANIFEST: Final = "manifest.json"
PROMOTED, DEPLOYED, ROLLED_BACK, RETIRED = "promoted", "deployed", "rolled_back", "retired"
CANDIDATE: Final = BUNDLE
"""What the last run of `package` wrote."""

Record = dict[str, Any]
"""hash, bento_tag, mlflow_version, promoted_at, source."""


def record_file(var: Path) -> Path:
    """Where the fact lies which bundle trades."""
    return var / "champion.json"


def history_file(var: Path) -> Path:
    """Every change of champion, a line each."""
    return var / "champions.jsonl"


def bento_store(var: Path) -> Path:
    """BENTOML_HOME of a machine: never inside the build context, else the copy would contain itself."""
    return Path(os.environ.get("BENTOML_HOME") or str((var / "bento").absolute()))


def champion(var: Path) -> Record | None:
    """The champion's record; None when nothing trades.

    Raises:
        ArtifactError: if the file is no record.
    """
    path = record_file(var)
    if not path.exists():
        return None
    record = read_json(path)
    if not isinstance(record, dict) or not isinstance(record.get("hash"), str):
        raise ArtifactError(f"{path} names no bundle; run `oddsmith champions deploy --hash HASH`, or delete it")
    return record


def history(var: Path) -> list[Record]:
    """Every change, oldest first: the record with `event`, `at`, `reason` and, of a rollback, `withdrawn`.

    A line that a crash cut off is left out.
    """
    path = history_file(var)
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.exists() else []
    found = []
    for line in lines:
        try:
            row = json.loads(line)
        except ValueError:
            continue
        if isinstance(row, dict) and isinstance(row.get("hash"), str) and isinstance(row.get("event"), str):
            found.append(row)
    return found


def withdrawn(var: Path) -> dict[str, str]:
    """Hash -> reason of the bundles that were rolled back and not deployed again by a person since."""
    taken: dict[str, str] = {}
    for line in history(var):
        if line.get("withdrawn"):
            taken[str(line["withdrawn"])] = str(line.get("reason") or "")
        if line["event"] in (DEPLOYED, ROLLED_BACK):
            taken.pop(line["hash"], None)
    return taken


def taken_off(var: Path) -> dict[str, str]:
    """Hash -> why it may not open anything here: rolled back, or retired and not made champion again since."""
    retired: dict[str, str] = {}
    for line in history(var):
        if line["event"] == RETIRED:
            retired[line["hash"]] = f"it was retired: {line.get('reason') or 'no reason given'}"
        else:
            retired.pop(line["hash"], None)
    back = {name: f"it was rolled back: {reason or 'no reason given'}" for name, reason in withdrawn(var).items()}
    return back | retired


def bundle_folder(record: Record, var: Path, candidate: Path = CANDIDATE) -> Path | None:
    """Folder of a record's bundle on this machine: inside its bento, or the candidate of the same hash; None where
    there is neither."""
    name, _, version = str(record.get("bento_tag") or "").partition(":")
    inside = [bento_store(var) / "bentos" / name / version / "src" / "bundle"] if version else []
    for folder in (*inside, candidate):
        if (folder / MANIFEST).is_file() and hash_of(folder) == record["hash"]:
            return folder
    return None


def installed_bundles(var: Path) -> list[Path]:
    """Folders of the bundles inside the bentos of this machine, in the order of their tags."""
    return sorted(path.parent for path in bento_store(var).glob(f"bentos/*/*/src/bundle/{MANIFEST}"))


def manifest_of(folder: Path) -> dict[str, Any]:
    """What a bundle says of itself; `Bundle.open` proves it.

    Raises:
        ArtifactError: if there is no manifest with a hash.
    """
    manifest = read_json(folder / MANIFEST)
    if not isinstance(manifest, dict) or not isinstance(manifest.get("hash"), str):
        raise ArtifactError(f"{folder / MANIFEST} names no bundle; run `oddsmith stage package` again")
    return manifest


def hash_of(folder: Path) -> str:
    """The hash that a bundle's manifest names.

    Raises:
        ArtifactError: if there is no manifest with a hash.
    """
    return str(manifest_of(folder)["hash"])
