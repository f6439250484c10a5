"""Deployment: the champion of the store, or a bundle chosen by a person, installed on the service of this machine."""

import json
import time
import urllib.error
import urllib.request
from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE

from flows import champions
from flows.champions import Record, champion
from flows.exclusive import CHAMPION, alone
from flows.local.folder_lock import SYSTEM, holder
from flows.local.ports import DEFAULTS, HOST
from flows.promote import WAIT_S
from flows.releases import Releases
from flows.rollback import restore
from flows.watched_flow import watched_flow
from pipelines.core.errors import ArtifactError, VenueUnavailable
from pipelines.core.settings import Settings

POLL_S = 1.0


@watched_flow
def deploy(bundle_hash: str | None = None, service_url: str | None = None, wait_s: float = 60.0) -> dict[str, Any]:
    """Install a promoted bundle and wait until the service decides with it; the record, with `serving`.

    On the trading instance (ODDSMITH_STORE_URL is set) the champion of the store is fetched; on one machine the
    champion is there already. A hash (or how it begins) takes that former champion instead, withdrawn ones included.

    Raises:
        ArtifactError: if there is no such promoted bundle, it was altered on the way, or the champion was retired where
            it was made; it is retired here too then.
        VenueUnavailable: if a running service does not take it within `wait_s`.
    """
    with alone(CHAMPION, "a deployment", wait_s=WAIT_S):
        if bundle_hash is None:
            _follow_retirement()
        installed = restore(wanted(bundle_hash))
        if installed != champion():
            champions.promote_record(installed, champions.DEPLOYED)
    return {**installed, "serving": await_service(installed["hash"], service_url or known_service(), wait_s)}


def _follow_retirement() -> None:
    releases = Releases.of(Settings())
    reason = releases.retired() if releases else None
    if reason is None:
        return
    if champion() is not None:
        champions.retire(reason)
    raise ArtifactError(f"the champion was retired ({reason}); nothing is opened here until the gate promotes another")


def wanted(bundle_hash: str | None) -> Record:
    """The record of the promoted bundle whose hash begins so; of the champion where none is asked for.

    Raises:
        ArtifactError: if no promoted bundle has such a hash, naming those that there are.
    """
    if bundle_hash is None:
        releases = Releases.of(Settings())
        record = releases.champion() if releases else champion()
        if record is None:
            raise ArtifactError("no bundle has been promoted yet; run the nightly flow and let the gate decide")
        return record
    for line in reversed(champions.history()):
        if line["hash"].startswith(bundle_hash):
            return {key: line[key] for key in ("hash", "bento_tag", "mlflow_version", "promoted_at", "source")}
    known = ", ".join(sorted({line["hash"][:12] for line in champions.history()})) or "none"
    raise ArtifactError(f"no promoted bundle's hash begins with {bundle_hash}; known are {known}")


def known_service() -> str:
    """The dashboard's URL: the address of the settings, that of the system that runs on this machine, or its port."""
    if Settings().service_url:
        return Settings().service_url
    running = holder(Settings().var / SYSTEM)
    if running is not None and running.urls:
        return str(running.urls["dashboard"])
    return f"http://{HOST}:{Settings().service_port or DEFAULTS['service']}"


@task(task_run_name="service takes {bundle_hash}", cache_policy=NO_CACHE, persist_result=False)
def await_service(bundle_hash: str, url: str, wait_s: float) -> bool:
    """Whether the service decides with a bundle; False where no service runs, which takes it when it starts.

    Raises:
        VenueUnavailable: if it runs and still decides with another one after `wait_s`.
    """
    deadline = time.monotonic() + wait_s
    while (serving := bundle_served(url)) != bundle_hash:
        if serving is None:
            return False
        if time.monotonic() > deadline:
            raise VenueUnavailable(
                f"the service at {url} still decides with {serving[:12]} after {wait_s:.0f} s, not with "
                f"{bundle_hash[:12]}; look at its log"
            )
        time.sleep(POLL_S)
    return True


def bundle_served(url: str) -> str | None:
    """The bundle that the service at a URL decides with ("none" without one); None where no service answers."""
    try:
        with urllib.request.urlopen(f"{url.rstrip('/')}/api/state", timeout=5.0) as response:  # noqa: S310 - ours
            state = json.load(response)
    except (urllib.error.URLError, OSError, ValueError):
        return None
    return str(state.get("model", {}).get("bundle") or "none")
