"""What a flow would refuse, asked before Prefect starts anything: one line for people instead of a failed run."""

from collections.abc import Callable
from typing import Any, Final

from flows import deploy, drift, nightly, promote, rollback
from flows.champions import CANDIDATE
from flows.local.up import check_recording
from pipelines.core import params as parameters
from pipelines.core.settings import Settings, Source
from pipelines.inference.champion_record import hash_of


def _nightly(source: Source | None = None, recording: str | None = None, _fresh: bool = True) -> None:
    parameters.load()
    if source is not None or recording is not None:
        check_recording(source, recording)
    chosen, path = nightly.same_as_last(source, recording)
    check_recording(chosen, path)
    if chosen is not Source.RECORDED:
        Settings().for_source(chosen)


def _promote() -> None:
    promote.require_verdict(CANDIDATE, hash_of(CANDIDATE))


def _deploy(bundle_hash: str | None = None) -> None:
    deploy.wanted(bundle_hash)


def _rollback(to: str | None = None, _reason: str = "") -> None:
    rollback.choose(to)


def _drift() -> None:
    Settings().for_trading()
    drift.judged_bundle()


def _nothing() -> None:
    parameters.load()


def _ingest() -> None:
    Settings().for_trading()


CHECKS: Final[dict[str, Callable[..., Any]]] = {
    "nightly": _nightly,
    "ingest": _ingest,
    "drift": _drift,
    "shadow": _nothing,
    "promote": _promote,
    "deploy": _deploy,
    "rollback": _rollback,
    "alive": _nothing,
    "overdue": _nothing,
    "parity": _nothing,
    "backfill": _ingest,
}
"""Flow -> the check of its arguments and of what it needs; it raises an OddsmithError."""
