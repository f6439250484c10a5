"""Which bundle trades: the one inside the bento, else the champion of this machine, else none (cash).

`models/bundle` without a verdict may be shown, never armed: the bot decides with it and orders nothing.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines.core.artifacts import read_json
from pipelines.core.errors import ArtifactError
from serving.paths import CANDIDATE, EMBEDDED, bento_store


@dataclass(frozen=True, slots=True)
class Champion:
    """A bundle to decide with. `armed` says whether its orders may be sent; `why` says why not."""

    folder: Path
    bundle: str
    armed: bool
    why: str
    bento: str | None = None
    version: str | None = None


NO_MODEL = "there is no model yet: run the nightly flow"
NOT_EARNED = "no champion: no model has passed the gate yet, so the bot shows what it would do and orders nothing"


def _hash_of(folder: Path) -> str:
    return str(read_json(folder / "manifest.json")["hash"])


def find(var: Path, embedded: Path = EMBEDDED, candidate: Path = CANDIDATE) -> Champion | None:
    """The bundle to decide with now; None when there is none at all.

    Raises:
        ArtifactError: if champion.json names a bundle that is nowhere on this machine.
    """
    if (embedded / "manifest.json").is_file():
        return Champion(embedded, _hash_of(embedded), armed=True, why="", bento=embedded.parent.parent.name)
    record_file = var / "champion.json"
    if record_file.is_file():
        record: dict[str, Any] = read_json(record_file)
        folder = locate(record, var, candidate)
        return Champion(folder, record["hash"], True, "", record.get("bento_tag"), record.get("mlflow_version"))
    if (candidate / "manifest.json").is_file():
        return Champion(candidate, _hash_of(candidate), armed=False, why=NOT_EARNED)
    return None


def locate(record: dict[str, Any], var: Path, candidate: Path = CANDIDATE) -> Path:
    """Folder of the bundle that a champion record names: inside its bento, or the candidate when it is the same.

    Raises:
        ArtifactError: if neither has it.
    """
    name, _, version = str(record.get("bento_tag") or "").partition(":")
    if version:
        inside = bento_store(var) / "bentos" / name / version / "src" / "bundle"
        if (inside / "manifest.json").is_file():
            return inside
    if (candidate / "manifest.json").is_file() and _hash_of(candidate) == record["hash"]:
        return candidate
    raise ArtifactError(
        f"the champion {record['hash'][:12]} ({record.get('bento_tag')}) is not on this machine; "
        "run `python -m serving install BUNDLE`, or promote another bundle"
    )
