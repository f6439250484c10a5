"""Alerts that fire when they should, and a dashboard that asks only for metrics that exist."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import REGISTRY

from serving import metrics

MONITORING = Path(__file__).parents[2] / "infra" / "monitoring"

GUIDE = {
    "portfolio_value_usd", "daily_pnl_usd", "win_rate_percent", "forecast_confidence", "sharpe_ratio",
    "trades_executed_total", "orders_failed_total", "execution_latency_ms_bucket", "forecast_accuracy",
    "api_errors_total", "websocket_disconnects_total", "memory_usage_mb", "cpu_usage_percent",
}  # fmt: skip
"""Names that the guide uses, as Prometheus shows them."""

_WORDS = {"sum", "by", "le", "rate", "increase", "histogram_quantile", "and", "or", "absent", "time", "bool", "up"}


def _known() -> set[str]:
    """Every name that the live process can export, and every recorded one."""
    names = set()
    for collector in vars(metrics).values():
        if hasattr(collector, "describe") and not isinstance(collector, type):
            for family in collector.describe():
                names |= {family.name, f"{family.name}_total"}
                names |= {f"{family.name}_{part}" for part in ("bucket", "sum", "count")}
    rules = yaml.safe_load((MONITORING / "rules.yml").read_text())
    return names | {rule["record"] for group in rules["groups"] for rule in group["rules"] if "record" in rule}


def _names(expression: str) -> set[str]:
    plain = re.sub(r"\{[^}]*\}|\[[^\]]*\]|by \([^)]*\)", " ", expression)
    return set(re.findall(r"[a-zA-Z_][a-zA-Z0-9_]*", plain)) - _WORDS


def _panels() -> list[dict[str, Any]]:
    return list(json.loads((MONITORING / "grafana/json/oddsmith.json").read_text())["panels"])


def test_the_dashboard_has_the_panels_of_the_guide() -> None:
    """Grafana shows the guide's six panels under its titles, in rows for trading, execution, model, night and cost."""
    titles = [panel["title"] for panel in _panels()]
    rows = [panel["title"] for panel in _panels() if panel["type"] == "row"]

    assert rows == ["Trading", "Execution", "Model", "Night", "Cost"]
    assert {
        "Portfolio Value", "Daily P&L", "Win Rate", "Execution Latency", "Model Confidence", "Active Positions",
    } <= set(titles)  # fmt: skip
    assert len(titles) == len(set(titles))


def test_no_panel_lies_over_another_and_each_says_what_it_shows() -> None:
    """Grafana places panels where the file says; a panel without words has to be guessed."""
    taken: set[tuple[int, int]] = set()
    for panel in _panels():
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken, panel["title"]
        assert at["x"] + at["w"] <= 24
        assert panel["type"] == "row" or panel["description"], panel["title"]
        taken |= cells


def test_every_query_names_a_metric_that_exists() -> None:
    """A panel or a rule that asks for a metric nobody exports would stay empty for ever."""
    rules = yaml.safe_load((MONITORING / "rules.yml").read_text())
    expressions = [target["expr"] for panel in _panels() for target in panel.get("targets", ())]
    expressions += [rule["expr"] for group in rules["groups"] for rule in group["rules"]]

    unknown = {name for expression in expressions for name in _names(expression)} - _known()

    assert set() == unknown


def test_the_guides_metrics_are_exported_under_its_names() -> None:
    """The names of the guide's monitoring chapter are there verbatim."""
    assert set() == GUIDE - _known()
    assert REGISTRY is not None


def test_gauges_say_how_processes_are_joined() -> None:
    """BentoML runs Prometheus in multiprocess mode: a gauge without a mode would carry a process id as a label."""
    gauges = [one for one in vars(metrics).values() if isinstance(one, metrics.Gauge)]

    assert gauges
    assert {"mostrecent"} == {gauge._multiprocess_mode for gauge in gauges}


@pytest.mark.parametrize("command", [("check", "rules", "rules.yml"), ("test", "rules", "rules_test.yml")])
def test_promtool_accepts_the_rules(command: tuple[str, ...]) -> None:
    """Every alert fires on the series that it is meant for, and stays silent on the others."""
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed (Debian package prometheus)")

    done = subprocess.run([promtool, *command], cwd=MONITORING, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr


def test_critical_alerts_reach_pagerduty() -> None:
    """Alertmanager sends critical alerts to PagerDuty with a key from a file, never from the configuration."""
    configuration = yaml.safe_load((MONITORING / "alertmanager.yml").read_text())
    receivers = {receiver["name"]: receiver for receiver in configuration["receivers"]}
    critical = next(route for route in configuration["route"]["routes"] if 'severity="critical"' in route["matchers"])
    pager = receivers[critical["receiver"]]["pagerduty_configs"][0]

    assert pager["severity"] == "critical"
    assert "routing_key_file" in pager
    assert "routing_key" not in pager
