"""The champion that tonight's candidate is compared with: the one that trades, opened and verified.

The window command writes it into data/champion.json (`note`), so that DVC sees when the opponent is another one.
"""

from dataclasses import dataclass
from pathlib import Path

from pipelines.core.artifacts import read_json, write_json
from pipelines.core.errors import ArtifactError, OddsmithError
from pipelines.core.products import BUNDLE, CHAMPION, WINDOW
from pipelines.core.settings import Settings, Source
from pipelines.inference import champion_record
from pipelines.inference import verdict as verdicts
from pipelines.inference.bundle import Bundle


@dataclass(frozen=True)
class Rival:
    """The champion's bundle, or why there is none."""

    bundle: Bundle | None
    why: str = ""
    in_cash: bool = False
    """Whether it opens nothing, because its forecasts alone were promoted."""
    proven: bool = False
    """Whether its policy passed the gate; one that a person deployed against the verdict has not."""


def find(candidate: str = "", note: Path = CHAMPION) -> Rival:
    """The champion to beat, where it is not the candidate itself. One that this program cannot open trades nothing and
    has to be beaten by nobody.

    It is the one that trades now. In an unchanged window the note may name an older one, and where a parameter changed
    there is another bundle to judge in it.
    """
    document = read_json(note) if note.is_file() else {"champion": None, "why": "none was named"}
    named, why, trades = document["champion"], str(document["why"]), champion_record.champion(Settings().var)
    if trades is not None and trades["hash"] != candidate and WINDOW.is_file():
        named, why = _to_beat(Source(read_json(WINDOW)["source"]), Settings().var)
    if named is None:
        return Rival(None, why)
    if named == candidate:
        return Rival(None, "the candidate is the champion")
    folders = [*champion_record.installed_bundles(Settings().var), BUNDLE]
    for folder in folders:
        if (folder / champion_record.MANIFEST).is_file() and champion_record.hash_of(folder) == named:
            try:
                given = verdicts.of(folder, named)
                said = "" if given is None else given.verdict
                return Rival(Bundle.open(folder), in_cash=said == verdicts.IN_CASH, proven=said == verdicts.PROMOTE)
            except OddsmithError as error:
                return Rival(None, f"{named[:12]} cannot be opened ({error})")
    return Rival(None, f"{named[:12]} is no longer on this machine")


def note(source: Source, var: Path | None = None, *, fresh: bool = True) -> None:
    """Write data/champion.json: the champion that the gate compares tonight's candidate with, or why there is none.

    It stays as it is while the window does (`fresh`) and the candidate of the last run trades: an unchanged night
    judges nothing again.
    """
    present, why = _to_beat(source, Settings().var if var is None else var)
    candidate = champion_record.hash_of(BUNDLE) if (BUNDLE / champion_record.MANIFEST).is_file() else None
    if not fresh and CHAMPION.is_file() and present and candidate == present:
        return
    document = {"champion": present, "why": why}
    if not CHAMPION.is_file() or read_json(CHAMPION) != document:
        write_json(CHAMPION, document)


def _to_beat(source: Source, var: Path) -> tuple[str | None, str]:
    record = champion_record.champion(var)
    if record is None:
        return None, "nothing trades yet"
    if record.get("source") != source.value:
        return None, f"the present one was trained on another source ({record.get('source')})"
    folder = champion_record.bundle_folder(record, var)
    if folder is None:
        return None, "the bundle of the present one is not on this machine"
    try:
        verdict = verdicts.of(folder, record["hash"])
    except ArtifactError as error:
        return None, f"the present one may not trade ({error})"
    expired = verdict.expired() if verdict else ""
    return (None, expired) if expired else (record["hash"], "")
