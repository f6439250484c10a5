"""What every test may rely on: nothing is read from, or written to, the home of the person who runs the suite."""

import atexit
import os
import shutil
import tempfile

import pytest

_HOME = tempfile.mkdtemp(prefix="oddsmith-tests-")
atexit.register(shutil.rmtree, _HOME, ignore_errors=True)

# Prefect reads these when it is loaded, which the import of a test module may do: they are set before any of them.
os.environ |= {
    "PREFECT_HOME": f"{_HOME}/prefect",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
    "PREFECT_CLI_PROMPT": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "1",
    "GIT_PYTHON_REFRESH": "quiet",
}
os.environ.pop("PREFECT_API_URL", None)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Fast tests first: a broken rule shows within seconds."""
    items.sort(key=lambda item: [item.get_closest_marker(name) is not None for name in ("e2e", "slow")])
