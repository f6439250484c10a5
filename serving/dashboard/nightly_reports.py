"""What the flows found out about what trades here: the gate's verdict, the replay of our journal, drift, nights."""

import json
from functools import reduce
from operator import getitem
from pathlib import Path
from typing import Any

from prometheus_client import Gauge

from pipelines.core import log
from pipelines.core.artifacts import read_json
from pipelines.core.errors import ArtifactError
from pipelines.core.products import report_json
from pipelines.core.settings import Settings
from serving import metrics

GATE = report_json("gate")
PARITY = report_json("parity")
DRIFT = report_json("drift")
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


class NightMetrics:
    """The newest replay of the journal, the newest drift report, the last good night and the last bill as metrics. A
    report that is missing or of another shape shows nothing."""

    def __init__(self, parity: Path = PARITY, drift: Path = DRIFT, nights: Path | None = None) -> None:
        nights = Settings().var / "nights.jsonl" if nights is None else nights
        bill = nights.with_name("billed.json")
        self._reports = (
            (parity, _show_parity),
            (drift, _show_drift),
            (nights, _show_nights),
            (bill, _show_bill),
        )
        self._seen_ns: dict[Path, int] = {}

    def publish(self) -> None:
        """Set the gauges of each report that is another one than the last time."""
        for path, show in self._reports:
            try:
                changed_ns = path.stat().st_mtime_ns
            except OSError:
                continue
            if changed_ns == self._seen_ns.get(path, 0):
                continue
            self._seen_ns[path] = changed_ns
            try:
                show(path)
            except (ArtifactError, AttributeError, KeyError, OSError, TypeError, ValueError) as error:
                _log.warning("a report is not shown", path=str(path), error=str(error))


def _show_parity(path: Path) -> None:
    report = read_json(path)
    shown = [(gauge, float(reduce(getitem, names, report))) for gauge, names in SHOWN]
    for gauge, value in shown:
        gauge.set(value)


def _show_drift(path: Path) -> None:
    report = read_json(path)
    psi = [float(one["psi"]) for one in report["columns"].values() if one["decides"]]
    after = report["skill"].get("after", {}).get("value")
    metrics.DRIFTED.set(int(report["verdict"] == "drift"))
    metrics.DRIFT_PSI.set(max(psi, default=0.0))
    if after is not None:
        metrics.DRIFT_SKILL.set(float(after))
    refit = report.get("refit", {})  # a report of an earlier version has none
    if refit.get("refit", 0.0) > 0.0:
        metrics.DRIFT_REFIT.set(max(refit["bundle"], refit["filter"]) / refit["refit"])


def _show_nights(path: Path) -> None:
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.endswith("}")]
    good = [float(row["ended_s"]) for row in rows if row["state"] == "completed"]
    if good:
        metrics.LAST_NIGHT.set(good[-1])


def _show_bill(path: Path) -> None:
    bill = read_json(path)
    shown = [float(bill[name]) for name in ("billed_monthly_usd", "planned_monthly_usd", "limit_monthly_usd")]
    for gauge, usd in zip((metrics.BILLED, metrics.BILL_PLANNED, metrics.BILL_LIMIT), shown, strict=True):
        gauge.set(usd)
