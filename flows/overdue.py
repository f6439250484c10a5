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
"""In var: since when nights are watched, and when it was told last that one is missing."""
DAY_S = 86_400


@flow(name="overdue", flow_run_name=run_names.timed, persist_result=False)
def overdue(now_s: float | None = None) -> str:
    """Tell that nights are missing; what was told, or empty."""
    now_s = time.time() if now_s is None else now_s
    path = Settings().var / TOLD
    known = {"since_s": now_s, "told_s": 0.0} | (dict(read_json(path)) if path.is_file() else {})
    text = nights.overdue(parameters.load().flows.overdue_h, now_s, float(known["since_s"]))
    if text and now_s - float(known["told_s"]) >= DAY_S:
        tell(Kind.NIGHT_MISSING, text)
        known["told_s"] = now_s
    else:
        text = ""
    write_json(path, known)
    return text
