"""Rollback: an earlier champion back, and the present one withdrawn until a person deploys it again."""

from typing import Any

from prefect.artifacts import create_markdown_artifact

from flows import champions, notices, tracking
from flows.champions import Record, bundle_folder, champion
from flows.exclusive import CHAMPION, alone
from flows.promote import WAIT_S, install
from flows.releases import Releases
from flows.watched_flow import watched_flow
from pipelines.core.errors import ArtifactError
from pipelines.core.settings import Settings
from pipelines.inference.bundle import Bundle


@watched_flow
def rollback(to: str | None = None, reason: str = "") -> dict[str, Any]:
    """Make the champion before the present one trade again (or the one whose hash begins with `to`); its record.

    Raises:
        ArtifactError: if there is none, or its bundle is neither here nor in the store.
    """
    with alone(CHAMPION, "a rollback", wait_s=WAIT_S):
        return _rolled_back(to, reason)


def _rolled_back(to: str | None, reason: str) -> dict[str, Any]:
    fitting = choose(to)
    present = champion() or {}
    record = _bring_back(fitting, chosen=to is not None)
    tracking.move_champion(record["mlflow_version"])
    champions.promote_record(record, champions.ROLLED_BACK, reason, withdrawn=present["hash"])
    champions.clear_shadow()
    create_markdown_artifact(
        key="rollback",
        markdown=f"# {present['hash'][:12]} → {record['hash'][:12]}\n\n{reason or 'no reason given'}\n\n"
        "The service swaps between two bars and keeps its positions.",
    )
    notices.rolled_back(record, present["hash"], reason)
    return record


def choose(to: str | None) -> list[Record]:
    """The records of champions that may come back, the newest first.

    Raises:
        ArtifactError: if nothing trades now, or no earlier champion fits, naming those that there are.
    """
    if champion() is None:
        raise ArtifactError("there is no champion to roll back; the service trades nothing")
    known = champions.earlier()
    fitting = [record for record in known if record["hash"].startswith(to or "")]
    if not fitting:
        names = ", ".join(record["hash"][:12] for record in known) or "none"
        raise ArtifactError(
            f"no earlier champion {'' if to is None else f'whose hash begins with {to} '}can come back "
            f"(known: {names}); touch var/KILL to stop trading instead"
        )
    return fitting


def _bring_back(candidates: list[Record], *, chosen: bool) -> Record:
    """The first of these champions whose verdict still counts, installed; the one that a person chose, or an error."""
    refused = []
    for record in candidates[:1] if chosen else candidates:
        try:
            return restore(record)
        except ArtifactError as error:
            refused.append(str(error))
    raise ArtifactError(
        f"no earlier champion can come back: {'; '.join(refused)}. Touch var/KILL to stop trading instead"
    )


def restore(record: Record) -> Record:
    """The record with its bundle verified and installed on this machine, fetched from the store where it is not here.

    Raises:
        ArtifactError: if the bundle is nowhere, was altered, or its verdict does not let it trade now.
    """
    folder = bundle_folder(record)
    if folder is None:
        releases = Releases.of(Settings())
        if releases is None:
            raise ArtifactError(
                f"the bundle {record['hash'][:12]} ({record['bento_tag']}) is no longer on this machine, and "
                "ODDSMITH_STORE_URL names no store to fetch it from"
            )
        folder = releases.fetch(record["hash"], Settings().var / "bundles")
    found = Bundle.open(folder).hash
    if found != record["hash"]:
        raise ArtifactError(f"{folder} holds bundle {found[:12]}, not {record['hash'][:12]}; nothing was changed")
    champions.require_approval(folder, record["hash"])
    return {**record, "bento_tag": install(folder, record["hash"])}
