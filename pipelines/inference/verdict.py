"""The gate's verdict on one bundle: a record next to the sealed files, bound to them by their hash.

`package` seals the bundle, then `gate` judges it, so the verdict cannot be one of the sealed files. It is
`verdict.json`: inside the bundle's folder wherever a bundle was installed or released, and in the folder above for the
candidate (`models/verdict.json`), because DVC owns `models/bundle`. Its digest covers every field, the bundle's hash
and the hash of the evidence among them. It protects against mistakes and stale, mixed or altered files. It is no
signature: who can write these files can also write a verdict.
"""

import hashlib
import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pipelines.core.artifacts import read_json, write_json
from pipelines.core.errors import ArtifactError
from pipelines.core.settings import Source

FORMAT: Final = 1
VERDICT: Final = "verdict.json"
PROMOTE: Final = "promote"
IN_CASH: Final = "promote_in_cash"
"""The forecasts follow the champion's, the policy has not earned the right to trade: nothing is opened."""
PROMOTING: Final = frozenset({PROMOTE, IN_CASH})
"""The verdicts with which a bundle becomes champion."""
DAY_S: Final = 86_400
MAX_BYTES: Final = 1_000_000
SKEW_S: Final = 3_600
"""A verdict may be this far in the future: clocks of two machines differ a little."""

_NEVER_S: Final = 100_000_000_000

_FIELDS: Final = {
    "format": int,
    "verdict": str,
    "bundle": str,
    "source": str,
    "judged_at_s": int,
    "expires_s": int,
    "evidence": dict,
    "evidence_sha256": str,
    "digest": str,
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the gate said of a bundle, and until when that counts (wall time, Unix seconds)."""

    verdict: str
    bundle: str
    source: str
    judged_at_s: int
    expires_s: int
    evidence_sha256: str
    digest: str

    def why_not(self, bundle: str, source: str, now_s: float | None = None) -> str:
        """Why this verdict does not let a bundle of a source trade now; empty when it does."""
        now_s = time.time() if now_s is None else now_s
        if self.bundle != bundle:
            return f"its verdict is about another bundle ({self.bundle[:12]}, this is {bundle[:12]})"
        if self.source != source:
            return f"its verdict is about data of source {self.source}, and the bundle says {source}"
        if self.verdict not in PROMOTING:
            return f"the gate said {self.verdict}: it has not earned the right to trade"
        if self.judged_at_s > now_s + SKEW_S:
            return "its verdict was given in the future; check this machine's clock"
        return ""

    def opens_nothing(self, now_s: float | None = None) -> str:
        """Why a champion with this verdict opens nothing, and may still sell what is held; empty when it trades."""
        if self.verdict == IN_CASH:
            return (
                "the gate let its forecasts follow the champion's and not its policy; it stays in cash until a night's"
                " policy passes the gate"
            )
        return self.expired(now_s)

    def expired(self, now_s: float | None = None) -> str:
        """Why the verdict no longer counts; empty while it does."""
        if (time.time() if now_s is None else now_s) <= self.expires_s:
            return ""
        day = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(self.expires_s))
        return f"its verdict expired on {day} (gate.valid_days); train and judge on new data: `make run FRESH=1`"


def write(
    path: Path,
    *,
    verdict: str,
    bundle: str,
    source: str,
    evidence: Mapping[str, Any],
    as_of_s: int,
    valid_days: float,
    now_s: float | None = None,
) -> Verdict:
    """Write the record of a verdict given now.

    The days count in wall time. For the venue's own data they count from the end of the data (`as_of_s`, where market
    time is wall time), so that judging old data again renews nothing; the calendars of simulated and recorded markets
    are not ours, so there they count from the judgement.
    """
    judged_at_s = int(time.time() if now_s is None else now_s)
    begins_s = min(judged_at_s, as_of_s) if source == Source.POLYMARKET else judged_at_s
    document: dict[str, Any] = {
        "format": FORMAT,
        "verdict": verdict,
        "bundle": bundle,
        "source": source,
        "judged_at_s": judged_at_s,
        "expires_s": begins_s + round(valid_days * DAY_S),
        "evidence": dict(evidence),
        "evidence_sha256": _sha256(dict(evidence)),
    }
    write_json(path, document | {"digest": _sha256(document)})
    return read(path)


def path_of(folder: Path) -> Path:
    """Where the verdict of a bundle in `folder` lies: inside it, else in the folder above (the candidate's)."""
    inside = folder / VERDICT
    return inside if inside.exists() else folder.parent / VERDICT


def of(folder: Path, bundle: str) -> Verdict | None:
    """The verdict that came with a bundle; None when there is none, or the one above it is another bundle's.

    Raises:
        ArtifactError: if it is not whole, or was altered.
    """
    path = path_of(folder)
    if not path.exists():
        return None
    found = read(path)
    return None if path.parent != folder and found.bundle != bundle else found


def read(path: Path) -> Verdict:
    """A verdict whose digests were checked.

    Raises:
        ArtifactError: if it is missing, not whole, altered, or of another format.
    """
    if path.is_symlink() or (path.is_file() and path.stat().st_size > MAX_BYTES):
        raise ArtifactError(f"{path} is a link or too large for a verdict; run `oddsmith stage gate` again")
    document = read_json(path)
    problem = _problem(document)
    if problem:
        raise ArtifactError(f"{path} {problem}; run `oddsmith stage gate` again")
    return Verdict(**{name: document[name] for name in Verdict.__slots__})


def _problem(document: Any) -> str:
    if not isinstance(document, dict) or set(document) != set(_FIELDS):
        return "is no verdict"
    wrong = [name for name, kind in _FIELDS.items() if type(document[name]) is not kind]
    if wrong:
        return f"has {wrong[0]} {document[wrong[0]]!r:.40}"
    if document["format"] != FORMAT:
        return f"has format {document['format']!r}, this program reads {FORMAT}"
    if not re.fullmatch(r"[0-9a-f]{64}", document["bundle"]):
        return "names no bundle"
    if not all(0 <= document[name] < _NEVER_S for name in ("judged_at_s", "expires_s")):
        return "has a time that is none"
    content = {key: value for key, value in document.items() if key != "digest"}
    if _sha256(content) != document["digest"] or _sha256(document["evidence"]) != document["evidence_sha256"]:
        return "was altered after the gate wrote it"
    return ""


def _sha256(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
