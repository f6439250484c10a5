"""The sealed model bundle: everything a decision needs, named by one hash that covers every byte.

models/bundle/
    manifest.json      what it is, and the SHA-256 of every other file
    forecaster.onnx    meta.json  scaler.json  conformal.json  confidence.json
    observation.json   statistics that standardise the agent's market inputs
    policy.onnx        when the chosen policy was learned
    strategy.py        when it is a policy of one's own: its code as it was backtested
    sizing.json        win probability, mean win and mean loss after costs
    card.json          data window, parameters, metrics
    verdict.json       where the bundle was installed: the gate's verdict, not sealed (`verdict`)
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pipelines.core.artifacts import read_json, sha256_file, write_json
from pipelines.core.errors import ArtifactError
from pipelines.features.scale import Scaler
from pipelines.features.spec import FEATURE_NAMES, FEATURE_VERSION
from pipelines.inference.champion_record import MANIFEST
from pipelines.inference.predictor import Predictor
from pipelines.inference.verdict import VERDICT

FORMAT: Final = 1
MAX_FILES: Final = 200
MAX_MANIFEST_BYTES: Final = 1_000_000
MAX_BYTES: Final = 1_000_000_000
"""A bundle has a dozen files and some megabytes; what is far larger was not made by `package`."""


def seal(folder: Path, manifest: dict[str, Any]) -> str:
    """Write manifest.json over the files of a folder; the bundle's hash (hex SHA-256).

    The hash covers the manifest with the hash of every file in it, so the same content has the same hash anywhere.
    """
    files = {
        path.relative_to(folder).as_posix(): sha256_file(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in (MANIFEST, VERDICT)
    }
    sealed = manifest | {"format": FORMAT, "files": files}
    sealed["hash"] = _hash(sealed)
    write_json(folder / MANIFEST, sealed)
    return str(sealed["hash"])


@dataclass(frozen=True)
class Bundle:
    """A bundle whose every file was verified when it was opened."""

    folder: Path
    manifest: dict[str, Any]

    @classmethod
    def open(cls, folder: Path) -> "Bundle":
        """Read and verify. Links, names that lead out of the folder and sizes that no bundle has are refused unread.

        Raises:
            ArtifactError: naming the file that is missing, altered or too much, or the version that does not fit.
        """
        _refuse_odd_files(folder)
        manifest = read_json(folder / MANIFEST)
        if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
            found = manifest.get("format") if isinstance(manifest, dict) else manifest
            raise ArtifactError(f"{folder / MANIFEST} has format {found!r}, this program reads {FORMAT}; package again")
        _verify(folder, manifest)
        version = manifest.get("feature_version")
        if version != FEATURE_VERSION or manifest.get("features") != list(FEATURE_NAMES):
            raise ArtifactError(
                f"{folder} was made for feature version {version!r}, this program computes"
                f" {FEATURE_VERSION!r}; run the nightly flow to make a bundle for it"
            )
        return cls(folder, manifest)

    @property
    def hash(self) -> str:
        """Hex SHA-256 of the bundle."""
        return str(self.manifest["hash"])

    def predictor(self) -> Predictor:
        """The forecaster."""
        return Predictor(self.folder)

    def scaler(self) -> Scaler:
        """Standardisation of the 15 features and the sentiment, for the agent's observation."""
        return Scaler.parse(read_json(self.folder / "observation.json"))

    def sizing(self) -> dict[str, Any]:
        """The sizing table."""
        table: dict[str, Any] = read_json(self.folder / "sizing.json")
        return table


def _refuse_odd_files(folder: Path) -> None:
    total = 0
    for count, path in enumerate(folder.rglob("*")):
        if path.is_symlink() or not (path.is_file() or path.is_dir()):
            raise ArtifactError(f"{path} is a link or no plain file; a bundle holds plain files alone")
        size = path.stat().st_size if path.is_file() else 0
        total += size
        if path.name == MANIFEST and size > MAX_MANIFEST_BYTES:
            raise ArtifactError(f"{path} has {size:,} bytes, more than a manifest has; package again")
        if count >= MAX_FILES or total > MAX_BYTES:
            raise ArtifactError(
                f"{folder} holds more than {MAX_FILES} files or {MAX_BYTES // 10**6} MB; this is no bundle that "
                "`python -m pipelines package` made"
            )


def _verify(folder: Path, manifest: dict[str, Any]) -> None:
    files = manifest.get("files")
    if not isinstance(files, dict) or not all(isinstance(value, str) for value in files.values()):
        raise ArtifactError(f"{folder / MANIFEST} lists no files; run `python -m pipelines package` again")
    for name, expected in files.items():
        if Path(name).is_absolute() or ".." in Path(name).parts:
            raise ArtifactError(f"{folder / MANIFEST} lists {name!r}, which leads out of the bundle; it was not read")
        path = folder / name
        if not path.is_file():
            raise ArtifactError(f"{path} is missing from the bundle; run `python -m pipelines package` again")
        if sha256_file(path) != expected:
            raise ArtifactError(
                f"{path} was altered after the bundle was sealed; run `python -m pipelines package` again"
            )
    present = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    if extra := present - set(files) - {MANIFEST, VERDICT}:
        raise ArtifactError(f"{folder / min(extra)} is not part of the sealed bundle; remove it or package again")
    if _hash(manifest) != manifest.get("hash"):
        raise ArtifactError(f"{folder / MANIFEST} was altered after the bundle was sealed; package again")


def _hash(manifest: dict[str, Any]) -> str:
    content = {key: value for key, value in manifest.items() if key != "hash"}
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
