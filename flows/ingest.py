"""Every 15 minutes: what happened since the last time, appended to the landing zone. Never a DVC output."""

import sys

from prefect import flow, task
from prefect.cache_policies import NO_CACHE

from flows import lost_server, notices, run_names
from flows.exclusive import LANDING, alone
from flows.stage_tasks import run_command, try_again


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


@flow(
    name="ingest",
    flow_run_name=run_names.timed,
    persist_result=False,
    on_failure=[notices.failed],
    on_crashed=[notices.failed],
)
@lost_server.told
def ingest() -> None:
    """Append bars, books and headlines of open markets to var/landing."""
    append()
