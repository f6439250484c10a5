"""What the flows found out about what trades here: the gate's verdict, and the replay of our journal."""

from functools import reduce
from operator import getitem
from pathlib import Path
from typing import Any

from prometheus_client import Gauge

from pipelines.core import log
from pipelines.core.artifacts import read_json
from pipelines.core.errors import ArtifactError
from pipelines.core.products import report_json
from serving import metrics

GATE = report_json("gate")
PARITY = report_json("parity")
SHOWN: tuple[tuple[Gauge, tuple[str, ...]], ...] = (
    (metrics.REPLAY_DECISIONS, ("decisions",)),
    (metrics.REPLAY_DIFFERENT, ("different",)),
    (metrics.REPLAY_MISSING, ("not_replayed",)),
    (metrics.REPLAY_COST_GAP, ("fills", "cost_gap_pusd")),
    (metrics.REPLAY_PNL_GAP, ("fills", "pnl_gap_pusd")),
)
"""Where each gauge of a replay is in its report."""

_log = log.get("nights")


def verdict(bundle: str) -> dict[str, Any] | None:
    """The gate's verdict on this bundle, when this machine has one."""
    try:
        gate = read_json(GATE)
    except ArtifactError:
        return None
    return {"verdict": gate["verdict"], "reasons": gate["reasons"]} if gate.get("bundle") == bundle else None


class ParityMetrics:
    """The newest replay of the journal as metrics. A report that is missing or of another shape shows nothing."""

    def __init__(self, path: Path = PARITY) -> None:
        self._path = path
        self._seen_ns = 0

    def publish(self) -> None:
        """Set the gauges when the report is another one than the last time."""
        try:
            changed_ns = self._path.stat().st_mtime_ns
        except OSError:
            return
        if changed_ns == self._seen_ns:
            return
        self._seen_ns = changed_ns
        try:
            report = read_json(self._path)
            shown = [(gauge, float(reduce(getitem, path, report))) for gauge, path in SHOWN]
        except (ArtifactError, KeyError, TypeError, ValueError) as error:
            _log.warning("the report of the replay is not shown", path=str(self._path), error=str(error))
            return
        for gauge, value in shown:
            gauge.set(value)
