"""Every hour: has a night ended within the last 26 hours? Else people are told, once a day."""

import time

from prefect import flow

from flows import nights, run_names
from pipelines.core import params as parameters
from pipelines.core.artifacts import read_json, write_json
from pipelines.core.settings import Settings
from pipelines.messages.message import Kind
from pipelines.messages.messenger import tell

TOLD = "overdue.json"
DAY_S = 86_400


@flow(name="overdue", flow_run_name=run_names.timed, persist_result=False)
def overdue(now_s: float | None = None) -> str:
    """Tell that nights are missing; what was told, or empty."""
    now_s = time.time() if now_s is None else now_s
    text = nights.overdue(parameters.load().flows.overdue_h, now_s)
    path = Settings().var / TOLD
    told_s = float(read_json(path)["told_s"]) if path.is_file() else 0.0
    if not text or now_s - told_s < DAY_S:
        return ""
    tell(Kind.NIGHT_MISSING, text)
    write_json(path, {"told_s": now_s})
    return text
