"""Names of runs as the Prefect UI lists them: what ran, when it was due, on which source."""

from prefect.runtime import flow_run


def timed() -> str:
    """Flow, due time in UTC and source, such as `nightly 2026-03-01 02:00 polymarket`; Prefect asks as a run begins."""
    due = flow_run.scheduled_start_time
    source = (flow_run.parameters or {}).get("source")
    words = [
        flow_run.flow_name or "flow",
        f"{due:%Y-%m-%d %H:%M}" if due else "",
        str(getattr(source, "value", source or "")),
    ]
    return " ".join(word for word in words if word)
