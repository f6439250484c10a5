"""The deployments of prefect.yaml as this process serves them: schedules and triggers are in that file alone."""

from pathlib import Path
from typing import Any

import yaml
from prefect import serve
from prefect.client.schemas.schedules import CronSchedule
from prefect.deployments.runner import RunnerDeployment
from prefect.events.schemas.deployment_triggers import DeploymentEventTrigger
from prefect.exceptions import PrefectException

from pipelines.core.errors import ParameterError


def read(path: Path = Path("prefect.yaml")) -> list[RunnerDeployment]:
    """A deployment per entry, in the order of the file.

    Raises:
        ParameterError: naming the entry that cannot be read.
    """
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    return [_deployment(entry, path) for entry in document["deployments"]]


def _deployment(entry: dict[str, Any], path: Path) -> RunnerDeployment:
    try:
        return RunnerDeployment.from_entrypoint(
            entry["entrypoint"],
            entry["name"],
            schedules=[CronSchedule(**schedule) for schedule in entry.get("schedules", [])],
            triggers=[_trigger(trigger) for trigger in entry.get("triggers", [])],
            parameters=entry.get("parameters"),
            concurrency_limit=entry.get("concurrency_limit"),
            description=entry.get("description"),
            tags=entry.get("tags"),
        )
    except (KeyError, TypeError, ValueError, PrefectException) as error:
        raise ParameterError(f"{path}: deployment {entry.get('name')!r} cannot be read: {error}") from error


def _trigger(entry: dict[str, Any]) -> DeploymentEventTrigger:
    known = {key: value for key, value in entry.items() if key != "type"}
    return DeploymentEventTrigger(**{**known, "expect": set(entry["expect"])})


def serve_all(limit: int = 4) -> None:
    """Register every deployment with the Prefect server and run what is due, until interrupted."""
    serve(*read(), limit=limit, print_starting_message=False)
