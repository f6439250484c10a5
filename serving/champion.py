"""Which bundle trades: the one inside the bento, else the champion of this machine, else none (cash).

Shown and never armed (the bot decides with it and orders nothing): `models/bundle` without a verdict, and on the
venue's own markets, in paper too, a bundle that was trained on others.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines.core.artifacts import read_json
from pipelines.core.errors import ArtifactError
from pipelines.core.settings import Mode, Source
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


def find(mode: Mode, var: Path, embedded: Path = EMBEDDED, candidate: Path = CANDIDATE) -> Champion | None:
    """The bundle to decide with now in a mode; None when there is none at all.

    Raises:
        ArtifactError: if champion.json names a bundle that is nowhere on this machine.
    """
    record_file = var / "champion.json"
    if (embedded / "manifest.json").is_file():
        return _earned(mode, embedded, bento=embedded.parent.parent.name)
    if record_file.is_file():
        record: dict[str, Any] = read_json(record_file)
        return _earned(mode, locate(record, var, candidate), record.get("bento_tag"), record.get("mlflow_version"))
    if (candidate / "manifest.json").is_file():
        return Champion(candidate, _hash_of(candidate), armed=False, why=NOT_EARNED)
    return None


def _hash_of(folder: Path) -> str:
    return str(read_json(folder / "manifest.json")["hash"])


def _earned(mode: Mode, folder: Path, bento: str | None = None, version: str | None = None) -> Champion:
    """What passed the gate trades on the markets that it learned from."""
    why = _foreign(mode, str(read_json(folder / "manifest.json").get("source", "unknown")))
    return Champion(folder, _hash_of(folder), armed=not why, why=why, bento=bento, version=version)


def _foreign(mode: Mode, source: str) -> str:
    """Why a bundle of a source may not trade in a mode; empty where it may."""
    if mode is Mode.SIMULATED or source == Source.POLYMARKET:
        return ""
    return (
        f"the champion learned from a {source} source and not from the venue's markets, which mode {mode.value} "
        "trades: run `oddsmith nightly --source polymarket --fresh`"
    )


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
        "run `oddsmith champions install BUNDLE`, or promote another bundle"
    )
