"""What the flows found out about what trades here: the gate's verdict, and the replay of our journal beside it."""

from pathlib import Path
from typing import Any

from pipelines.core import log
from pipelines.core.artifacts import read_json
from pipelines.core.errors import ArtifactError
from serving import metrics

GATE = Path("reports/gate.json")
PARITY = Path("reports/parity.json")

_log = log.get("nights")


def verdict(bundle: str) -> dict[str, Any] | None:
    """The gate's verdict on this bundle, when this machine has one."""
    try:
        gate = read_json(GATE)
    except ArtifactError:
        return None
    return {"verdict": gate["verdict"], "reasons": gate["reasons"]} if gate.get("bundle") == bundle else None


class Replay:
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
            different, gap = int(report["different"]), float(report["fills"]["cost_gap_pusd"])
        except (ArtifactError, KeyError, TypeError, ValueError) as error:
            _log.warning("the report of the replay is not shown", path=str(self._path), error=str(error))
            return
        metrics.REPLAY_DIFFERENT.set(different)
        metrics.REPLAY_COST_GAP.set(gap)
