"""The bundle in shadow: begun by a night, judged every few minutes, promoted, dismissed or rolled back to.

The live service measures (`serving.safety.shadow`); nothing here computes. A challenger becomes champion when the
evidence is enough, whenever that is: the test may be looked at any time. After a promotion the former champion is
watched in shadow, and comes back when the new one falls behind it.
"""

from pathlib import Path
from typing import Any

from prefect import get_run_logger

from flows import champions, progress
from flows.champions import champion
from flows.deploy import bundle_served, known_service
from flows.promote import install, promote
from flows.rollback import rollback
from flows.watched_flow import watched_flow
from pipelines.core import params as parameters
from pipelines.core.settings import Settings
from pipelines.inference import champion_record, shadow_record
from pipelines.inference.shadow_record import CHALLENGER, DISMISS, KEEP, PROMOTE, ROLLBACK, WAIT, Seen, advice


def watches() -> bool:
    """Whether a promoted candidate is watched first: a champion trades, and its bot runs on this machine."""
    if champion() is None or bundle_served(known_service()) is None:
        return False
    return parameters.load().shadow.enabled


def begin(bundle: Path, bundle_hash: str, version: str) -> bool:
    """Put a candidate in shadow; False where one that gathers evidence is there already."""
    var = Settings().var
    running, seen = shadow_record.challenger(var), shadow_record.seen(var)
    if running is not None and running["role"] == CHALLENGER and running["hash"] != bundle_hash:
        evidence = float(seen["e_better"]) if seen and seen.get("shadow") == running["hash"] else 1.0
        if evidence > 1.0:
            progress.detail("gate", f"{running['hash'][:12]} stays in shadow: its evidence is {evidence:.1f}")
            return False
    record = {
        "hash": bundle_hash,
        "bento_tag": install(bundle, bundle_hash),
        "mlflow_version": version,
        "source": str(champion_record.manifest_of(bundle)["source"]),
    }
    if running is None or running["hash"] != bundle_hash:
        champions.put_in_shadow(record, CHALLENGER)
    return True


@watched_flow
def shadow() -> dict[str, Any]:
    """Do what the measured evidence says of the bundle in shadow; what was done, and why."""
    record = shadow_record.challenger(Settings().var)
    if record is None:
        return {"advice": "none", "why": "nothing is in shadow"}
    what, why = advised(record)
    get_run_logger().info("%s %s: %s", record["role"], record["hash"][:12], why)
    if what == PROMOTE:
        folder = champion_record.bundle_folder(record, Settings().var)
        if folder is not None:
            promote(folder, record["hash"], record["mlflow_version"])
    elif what == ROLLBACK:
        rollback(record["hash"], why)
    elif what in (DISMISS, KEEP):
        champions.clear_shadow()
    return {"advice": what, "why": why, "bundle": record["hash"], "role": record["role"]}


def advised(record: dict[str, Any]) -> tuple[str, str]:
    """What the service's measurements say; to wait where they are about another pair."""
    seen, present = shadow_record.seen(Settings().var), champion() or {}
    pair = (record["hash"], record["role"], present.get("hash"))
    if seen is None or (seen.get("shadow"), seen.get("role"), seen.get("champion")) != pair:
        return WAIT, "the service has not measured this pair yet"
    if record["hash"] in champions.withdrawn():
        return DISMISS, "it was rolled back by a person"
    return advice(Seen(**{name: seen[name] for name in Seen.__slots__}), parameters.load().shadow)
