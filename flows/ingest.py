"""Every 15 minutes: what happened since the last time, appended to the landing zone. Never a DVC output."""

import sys

from prefect import task
from prefect.cache_policies import NO_CACHE

from flows.exclusive import LANDING, alone
from flows.stage_tasks import run_command, try_again
from flows.watched_flow import watched_flow


@task(
    task_run_name="append to the landing zone",
    retries=3,
    retry_delay_seconds=[5, 20, 60],
    retry_condition_fn=try_again,
    tags=["venue"],
    cache_policy=NO_CACHE,
    persist_result=False,
)
def append() -> None:
    """One run of `oddsmith ingest`. It is repeated when the venue does not answer: it only reads there."""
    with alone(LANDING, "ingest", wait_s=300.0):
        run_command(sys.executable, "-m", "pipelines", "ingest", name="ingest", timeout_s=900.0)


@watched_flow
def ingest() -> None:
    """Append bars, books and headlines of open markets to var/landing."""
    append()
