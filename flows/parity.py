"""The journal of the bot that runs here, decided again, on its own: what a night does first, whenever you like."""

import sys
from typing import Any

from flows import prefect_pages
from flows.stage_tasks import run_command
from flows.watched_flow import watched_flow
from pipelines.core.artifacts import read_json
from pipelines.core.products import report_json


@watched_flow
def parity(hours: float = 24.0) -> dict[str, Any]:
    """Replay the last market hours of the journal; the document of reports/parity.json."""
    run_command(sys.executable, "-m", "pipelines", "parity", "--hours", f"{hours:g}", name="parity")
    prefect_pages.show("parity")
    return dict(read_json(report_json("parity")))
