"""Promoted bundles in the bucket that machines share: one folder per hash, and one file that names the champion."""

import json
from pathlib import Path
from typing import Any, Self

from flows.bucket import Store, inside
from pipelines.core.artifacts import replaced_folder
from pipelines.core.errors import ArtifactError
from pipelines.core.settings import Settings
from pipelines.inference import verdict as verdicts
from pipelines.inference.bundle import MAX_BYTES, MAX_FILES
from pipelines.inference.champion_record import MANIFEST
from pipelines.inference.verdict import VERDICT

POINTER = "bundles/champion.json"
RETIRED = "retired"
"""Key of the pointer where no release is champion any more; its value is the reason."""


class Releases:
    """The releases of a store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    @classmethod
    def of(cls, settings: Settings) -> Self | None:
        """The releases that ODDSMITH_STORE_URL names; None on a machine by itself."""
        return cls(Store.of(settings)) if settings.store_url else None

    def publish(self, bundle: Path, bundle_hash: str) -> None:
        """Copy a sealed bundle with its verdict, the manifest last: a release with a manifest is whole."""
        below = f"bundles/{bundle_hash}"
        if verdicts.of(bundle, bundle_hash) is not None:
            self._store.put(f"{below}/{VERDICT}", verdicts.path_of(bundle).read_bytes())
        files = sorted(p for p in bundle.rglob("*") if p.is_file() and p.name not in (MANIFEST, VERDICT))
        for path in [*files, bundle / MANIFEST]:
            self._store.put(f"{below}/{path.relative_to(bundle).as_posix()}", path.read_bytes())

    def point_to(self, record: dict[str, Any]) -> None:
        """Say which release is champion."""
        self._store.put(POINTER, json.dumps(record, sort_keys=True).encode())

    def retire(self, reason: str) -> None:
        """Say that no release is champion any more."""
        self._store.put(POINTER, json.dumps({RETIRED: reason}).encode())

    def champion(self) -> dict[str, Any] | None:
        """The record of the champion; None before the first promotion, and after a retirement."""
        found = self._pointer()
        return found if found and RETIRED not in found else None

    def retired(self) -> str | None:
        """Why there is no champion any more; None where there is one, or never was."""
        return self._pointer().get(RETIRED)

    def _pointer(self) -> dict[str, Any]:
        content = self._store.get(POINTER)
        return dict(json.loads(content)) if content else {}

    def fetch(self, bundle_hash: str, folder: Path) -> Path:
        """Copy a release into `folder`/hash, whole or not at all; whoever opens it verifies every byte.

        Raises:
            ArtifactError: if the store has no such release, or it has more files or bytes than a bundle has.
        """
        below = f"bundles/{bundle_hash}/"
        names = self._store.names(below)
        if f"{below}{MANIFEST}" not in names:
            raise ArtifactError(f"the store holds no whole release {bundle_hash[:12]}; promote it where it was made")
        if len(names) > MAX_FILES:
            raise ArtifactError(f"the release {bundle_hash[:12]} has {len(names)} files; a bundle has a dozen")
        target, left = folder / bundle_hash, MAX_BYTES
        with replaced_folder(target) as partial:
            for name in names:
                path = partial / inside(name.removeprefix(below))
                path.parent.mkdir(parents=True, exist_ok=True)
                content = self._store.get(name, limit=left) or b""
                left -= len(content)
                path.write_bytes(content)
        return target
