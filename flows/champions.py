"""The only writer of var/champion.json, var/champions.jsonl and var/challenger.json; `pipelines.inference` reads them.

champion.json is replaced by rename; the service watches it. champions.jsonl is the history, a line per change, with
what was rolled back, so that a bundle that was taken off by a person does not come back by itself.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from flows.releases import Releases
from pipelines.core.artifacts import append_lines, write_json
from pipelines.core.errors import ArtifactError
from pipelines.core.settings import Settings
from pipelines.inference import champion_record, shadow_record
from pipelines.inference import verdict as verdicts
from pipelines.inference.champion_record import CANDIDATE, DEPLOYED, PROMOTED, RETIRED, ROLLED_BACK, Record

__all__ = ["CANDIDATE", "DEPLOYED", "PROMOTED", "RETIRED", "ROLLED_BACK", "Record"]


def champion() -> Record | None:
    """The champion's record; None when nothing trades."""
    return champion_record.champion(Settings().var)


def history() -> list[Record]:
    """Every change of champion on this machine, oldest first."""
    return champion_record.history(Settings().var)


def withdrawn() -> dict[str, str]:
    """Hash -> reason of the bundles that were taken off, by a rollback or for their losses, and not deployed again by a
    person since."""
    return champion_record.withdrawn(Settings().var)


def bundle_folder(record: Record) -> Path | None:
    """Folder of a record's bundle on this machine; None where it is not here."""
    return champion_record.bundle_folder(record, Settings().var)


def require_approval(folder: Path, bundle_hash: str) -> None:
    """Refuse a bundle whose verdict does not let it trade now; a person's override by name lets it pass.

    Raises:
        ArtifactError: saying why, and what to do.
    """
    why = _unapproved(folder, bundle_hash)
    named = Settings().arm_unapproved.lower()
    if why and not (named and bundle_hash.startswith(named)):
        raise ArtifactError(
            f"bundle {bundle_hash[:12]} may not trade: {why}; to arm it all the same, outside of live mode, set "
            f"ODDSMITH_ARM_UNAPPROVED={bundle_hash[:12]}"
        )


def approved(folder: Path, bundle_hash: str) -> bool:
    """Whether the verdict of a bundle lets it trade now."""
    return not _unapproved(folder, bundle_hash)


def _unapproved(folder: Path, bundle_hash: str) -> str:
    try:
        verdict = verdicts.of(folder, bundle_hash)
        source = str(champion_record.manifest_of(folder).get("source", "unknown"))
    except ArtifactError as error:
        return str(error)
    if verdict is None:
        return "it has no promoting verdict (models/verdict.json); run `oddsmith stage gate` on it"
    return verdict.why_not(bundle_hash, source) or verdict.expired()


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
    write_json(champion_record.record_file(Settings().var), _record(record))
    _append({**_record(record), "event": event, "reason": reason, **more})
    releases = Releases.of(Settings())
    if releases:
        releases.point_to(_record(record))


def loses(gate: Mapping[str, Any]) -> str:
    """Why the champion has to stop by a report of the gate: it surely loses money there. Empty where it does not, or is
    another one than the gate looked at."""
    found, present = gate.get("champion_pnl") or {}, champion()
    judged = present is not None and present["hash"] == gate.get("champion")
    return str(found["text"]) if judged and found.get("surely") else ""


def retire(reason: str, *, withdraw: bool = False) -> None:
    """No champion any more on this machine: its service goes on in cash. One that is withdrawn stays off until a person
    deploys it, as after a rollback."""
    present = champion()
    clear_shadow()
    if present:
        champion_record.record_file(Settings().var).unlink()
        more = {"withdrawn": present["hash"]} if withdraw else {}
        _append({**present, "event": RETIRED, "reason": reason, **more})


def put_in_shadow(record: Record, role: str) -> None:
    """Name the bundle that decides in shadow from the next bar on."""
    kept = {name: record.get(name) for name in ("hash", "bento_tag", "mlflow_version", "source")}
    now = datetime.now(UTC).isoformat(timespec="seconds")
    write_json(shadow_record.challenger_file(Settings().var), {**kept, "role": role, "since": now})


def clear_shadow() -> None:
    """Nothing is in shadow any more."""
    shadow_record.challenger_file(Settings().var).unlink(missing_ok=True)


def _record(line: Record) -> Record:
    return {key: value for key, value in line.items() if key not in ("event", "at", "reason", "withdrawn")}


def _append(line: Record) -> None:
    path = champion_record.history_file(Settings().var)
    text = json.dumps({**line, "at": datetime.now(UTC).isoformat(timespec="seconds")}, sort_keys=True)
    append_lines(path, text + "\n")
