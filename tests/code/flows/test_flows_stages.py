"""What a person reads when a stage's command ends badly."""

import sys

import pytest
from prefect.logging import disable_run_logger

from flows.stage_tasks import StageFailed, run_command


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "forecast was killed by SIGKILL"),
        ("print('ERROR: failed to run: x, exited with -15'); raise SystemExit(255)", "was killed by SIGTERM"),
        ("print('forecast: no windows; pull more'); raise SystemExit(1)", "forecast: no windows; pull more"),
        ("print('segments torn'); raise SystemExit(3)", "forecast ended with status 3: segments torn"),
    ],
)
def test_a_failed_stage_says_what_happened_and_what_to_do(script: str, told: str) -> None:
    """A killed stage names the signal and how to go on; any other failure gives the stage's own last words."""
    with disable_run_logger(), pytest.raises(StageFailed) as failure:
        run_command(sys.executable, "-c", script, name="forecast")
    assert told in str(failure.value)
