"""History that the landing zone lacks, fetched from the venue: after an outage, or before the first night."""

import sys

from prefect import task
from prefect.cache_policies import NO_CACHE

from flows.exclusive import LANDING, alone
from flows.stage_tasks import RETRY_DELAYS_S, run_command, try_again
from flows.watched_flow import watched_flow


@task(
    task_run_name="{days} days into the landing zone",
    retries=len(RETRY_DELAYS_S),
    retry_delay_seconds=RETRY_DELAYS_S,
    retry_condition_fn=try_again,
    tags=["venue"],
    cache_policy=NO_CACHE,
    persist_result=False,
)
def fetch(days: float) -> None:
    """One run of `oddsmith ingest --days`. Days that are there already are asked for only where bars are missing."""
    run_command(sys.executable, "-m", "pipelines", "ingest", "--days", f"{days:g}", name="ingest")


@watched_flow
def backfill(days: float = 12.0) -> None:
    """Bring the last market days into the landing zone, so that nights read them there."""
    with alone(LANDING, "backfill", wait_s=600.0):
        fetch(days)
