"""Which bundle decides, and what it may do: the one inside the bento, else the champion of this machine, else the
candidate, else none (cash).

The same rule for every way of starting. A bundle is armed when the gate's promoting verdict came with it, has not
expired, nobody took the bundle off on this machine, and it learned from the markets that the mode trades. Everything
else is shown and orders nothing. A bundle that was approved once and is expired or taken off, or whose forecasts alone
were approved, opens nothing and may still sell what is held. ODDSMITH_ARM_UNAPPROVED=<hash> arms one bundle by name, in
no mode with real orders.
"""

from dataclasses import dataclass, replace
from pathlib import Path

from pipelines.core.errors import ArtifactError
from pipelines.core.settings import Mode, Settings, Source
from pipelines.inference import champion_record
from pipelines.inference import verdict as verdicts
from pipelines.inference.champion_record import CANDIDATE, MANIFEST
from pipelines.inference.verdict import Verdict
from serving.paths import EMBEDDED


@dataclass(frozen=True, slots=True)
class Champion:
    """A bundle to decide with. `armed` says whether its orders may be sent; `why` says why not, or on whose word.

    `sells` says whether it may close what is held although it is not armed. `override` says that a person armed it.
    """

    folder: Path
    bundle: str
    armed: bool
    why: str
    bento: str | None = None
    version: str | None = None
    sells: bool = False
    override: bool = False
    verdict: Verdict | None = None
    pinned: str = ""
    """Kind of a policy that decides instead of the bundle's own, because a person pinned it."""


NO_MODEL = "there is no model yet: run the nightly flow"
NOT_EARNED = "no champion: no model has passed the gate yet, so the bot shows what it would do and orders nothing"


def find(settings: Settings, embedded: Path = EMBEDDED, candidate: Path = CANDIDATE) -> Champion | None:
    """The bundle to decide with now; None without one.

    Raises:
        ArtifactError: if champion.json names a bundle that is nowhere on this machine.
    """
    if (embedded / MANIFEST).is_file():
        return judge(settings, embedded, bento=embedded.parent.parent.name)
    record = champion_record.champion(settings.champion_var)
    if record is not None:
        folder = champion_record.bundle_folder(record, settings.champion_var, candidate)
        if folder is None:
            raise ArtifactError(
                f"the champion {record['hash'][:12]} ({record.get('bento_tag')}) is not on this machine; "
                "run `oddsmith champions install BUNDLE`, or promote another bundle"
            )
        return judge(settings, folder, record.get("bento_tag"), record.get("mlflow_version"))
    if (candidate / MANIFEST).is_file():
        return _with_override(settings, Champion(candidate, champion_record.hash_of(candidate), False, NOT_EARNED))
    return None


def judge(settings: Settings, folder: Path, bento: str | None = None, version: str | None = None) -> Champion:
    """What the bundle in a folder may do now. Its bytes are verified when it is opened."""
    bundle, source = champion_record.hash_of(folder), _source_of(folder)
    try:
        verdict = verdicts.of(folder, bundle)
        why = "no verdict of the gate came with this bundle" if verdict is None else verdict.why_not(bundle, source)
    except ArtifactError as error:
        verdict, why = None, str(error)
    why = why or _foreign(settings.mode, source)
    sells = verdict is not None and not why
    if sells and verdict is not None:
        why = champion_record.taken_off(settings.champion_var).get(bundle, "") or verdict.opens_nothing()
    found = Champion(folder, bundle, not why, why, bento, version, sells, verdict=verdict)
    return found if found.armed and not settings.pinned_policy else _with_override(settings, found)


def _source_of(folder: Path) -> str:
    return str(champion_record.manifest_of(folder).get("source", "unknown"))


def _foreign(mode: Mode, source: str) -> str:
    """Why a bundle of a source may not trade in a mode; empty where it may."""
    if mode is Mode.SIMULATED or source == Source.POLYMARKET:
        return ""
    return (
        f"the champion learned from a {source} source and not from the venue's markets, which mode {mode.value} "
        "trades: run `oddsmith nightly --source polymarket --fresh`"
    )


def _with_override(settings: Settings, found: Champion) -> Champion:
    """The same bundle, armed, where a person named it or pinned a policy; never where orders are real."""
    if settings.pinned_policy and settings.mode is not Mode.LIVE:
        although = f", although: {found.why}" if found.why else ""
        why = f"POLICY {settings.pinned_policy} IS PINNED by ODDSMITH_PINNED_POLICY; nothing chose it{although}"
        return replace(found, armed=True, why=why, sells=True, override=True, pinned=settings.pinned_policy)
    named = settings.arm_unapproved.lower()
    if not named or settings.mode is Mode.LIVE or not found.bundle.startswith(named):
        return found
    why = f"ARMED BY HAND with ODDSMITH_ARM_UNAPPROVED although: {found.why}"
    return replace(found, armed=True, why=why, sells=True, override=True)
