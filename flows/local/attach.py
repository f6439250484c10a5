"""Where flows that a person starts find their servers: those of the running system, else this folder's files."""

import os
import time
from pathlib import Path
from urllib.parse import urlsplit

from flows.local.children import POLL_S, ChildFailed, answers
from flows.local.folder_lock import SYSTEM, holder
from flows.local.ports import HOST
from flows.local.screen import Screen
from flows.local.stack import Ports, Stack
from flows.prefect_access import access
from pipelines.core import params as parameters
from pipelines.core.settings import Mode, Settings, local_exchange, variable


def surroundings(settings: Settings) -> dict[str, str]:
    """Environment variables for a flow started by hand; those that are set already win."""
    if os.environ.get("PREFECT_API_URL"):
        return {}
    ports = running_ports(settings.var)
    found = alone(settings.var) if ports is None else environment(settings, ports)
    return {key: value for key, value in found.items() if key not in os.environ}


def venue_of_running(settings: Settings) -> dict[str, str]:
    """Environment variables with the exchange of the system that runs in this folder, for a command that asks it;
    empty without one, in paper and live trading, and for what is set already."""
    running = holder(settings.var / SYSTEM)
    if settings.mode is not Mode.SIMULATED or running is None or not running.urls:
        return {}
    found_at = {name: urlsplit(url).port or 0 for name, url in running.urls.items()}
    ports = Ports(found_at["simulator"], found_at["dashboard"], found_at["prefect"], found_at["mlflow"])
    own = Stack(settings.var, parameters.load(), ports, Screen()).environment()
    unset = [field for field in local_exchange() if field not in settings.model_fields_set]
    return {variable(field): own[variable(field)] for field in unset}


def running_ports(var: Path, wait_s: float = 60.0) -> Ports | None:
    """Where the system of this folder listens, once its Prefect server answers; None where no system runs.

    Raises:
        ChildFailed: if a system runs and its Prefect server does not answer within `wait_s`.
    """
    deadline = time.monotonic() + wait_s
    while (running := holder(var / SYSTEM)) is not None:
        if running.urls and answers(f"{running.urls['prefect']}api/health"):
            found = {name: urlsplit(url).port or 0 for name, url in running.urls.items()}
            return Ports(found["simulator"], found["dashboard"], found["prefect"], found["mlflow"])
        if time.monotonic() > deadline:
            raise ChildFailed(
                f"`{running.command}`, process {running.pid}, runs here, and its Prefect server has not answered for "
                f"{wait_s:.0f} s; look at var/logs/prefect.log, or `oddsmith stop` it"
            )
        time.sleep(POLL_S)
    return None


def environment(settings: Settings, ports: Ports) -> dict[str, str]:
    """The environment of a running system; paper and live trading keep the venue's own addresses."""
    own = Stack(settings.var, parameters.load(), ports, Screen()).environment()
    if settings.mode is Mode.SIMULATED:
        return own
    local = f"//{HOST}:"
    return {key: value for key, value in own.items() if not (key.startswith("ODDSMITH_") and local in value)}


def alone(var: Path) -> dict[str, str]:
    """Without servers: Prefect's own temporary one, MLflow's database read directly."""
    return {
        "PREFECT_HOME": str(var.resolve() / "prefect"),
        **access(var.resolve(), f"http://{HOST}"),
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "MLFLOW_TRACKING_URI": f"sqlite:///{var.resolve() / 'mlflow.db'}",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "BENTOML_HOME": str(var.resolve() / "bento"),
    }
