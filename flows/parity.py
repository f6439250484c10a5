"""The journal of the bot that runs here, decided again, on its own: what a night does first, whenever you like."""

import sys
from typing import Any

from prefect import flow

from flows import lost_server, notices, prefect_pages, run_names
from flows.stage_tasks import run_command
from pipelines.core.artifacts import read_json
from pipelines.core.products import report_json


@flow(
    name="parity",
    flow_run_name=run_names.timed,
    persist_result=False,
    on_failure=[notices.failed],
    on_crashed=[notices.failed],
)
@lost_server.told
def parity(hours: float = 24.0) -> dict[str, Any]:
    """Replay the last market hours of the journal; the document of reports/parity.json."""
    run_command(sys.executable, "-m", "pipelines", "parity", "--hours", f"{hours:g}", name="parity")
    prefect_pages.show("parity")
    return dict(read_json(report_json("parity")))
