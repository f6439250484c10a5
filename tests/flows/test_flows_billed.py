"""What AWS has billed, read from an emulated Cost Explorer, next to the plan."""

import json
import shutil
import urllib.request
from datetime import date
from pathlib import Path

import pytest

from flows import billed
from pipelines.core import params as parameters

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
TODAY = date(2026, 3, 31)


def day(number, estimated=False, **usd):
    """A day of the bill as Cost Explorer gives it."""
    groups = [
        {"Keys": [name.replace("_", " ")], "Metrics": {"UnblendedCost": {"Amount": str(value), "Unit": "USD"}}}
        for name, value in usd.items()
    ]
    period = {"Start": f"2026-03-{number:02d}", "End": f"2026-03-{number + 1:02d}"}
    return {"TimePeriod": period, "Total": {}, "Groups": groups, "Estimated": estimated}


@pytest.fixture
def account(aws, tmp_path, monkeypatch):
    """Queues the next answer of the emulated Cost Explorer."""
    monkeypatch.chdir(tmp_path)
    shutil.copy2(ROOT / "params.yaml", "params.yaml")
    parameters.load.cache_clear()

    def says(*days):
        body = json.dumps({"results": [{"ResultsByTime": list(days), "DimensionValueAttributes": []}]}).encode()
        where = f"{aws}/moto-api/static/ce/cost-and-usage-results"
        request = urllib.request.Request(where, body, {"Content-Type": "application/json"}, method="POST")
        with urllib.request.urlopen(request) as answer:
            assert answer.status == 201

    return says


def test_the_bill_is_next_to_the_plan(account):
    """Days are summed by service, a month at that rate is next to the items that plan for it, what nothing plans for
    has its row, and what AWS does not bill is not compared."""
    account(
        day(1, Amazon_Relational_Database_Service=2.0, AWS_Key_Management_Service=0.5),
        day(2, estimated=True, Amazon_Relational_Database_Service=4.0, Amazon_Simple_Storage_Service=1.0),
    )
    found = billed.bill(10, TODAY)
    assert (found["total_usd"], found["estimated"]) == (pytest.approx(7.5), True)
    assert (found["since"], found["until"]) == ("2026-03-21", "2026-03-31")
    month = 365.25 / 12 / 10
    assert found["monthly_usd"] == pytest.approx(7.5 * month)
    rows = {tuple(row["items"]): (row["planned_usd"], row["billed_usd"]) for row in found["beside_the_plan"]}
    assert rows[("database",)] == (100.0, pytest.approx(6.0 * month))
    assert rows[("compute_trading", "compute_training")] == (270.0, 0.0)
    assert rows[()] == (0.0, pytest.approx(0.5 * month))
    assert rows[("news",)] == (30.0, None)
    assert sum(row[0] for row in rows.values()) == found["planned_monthly_usd"]


def test_the_command_prints_both(account, capsys):
    """As JSON the bill is a part of the plan's document; as text it has a table with what is billed elsewhere."""
    account(day(1, AmazonCloudWatch=3.0))
    billed.show(11, as_json=True)
    found = json.loads(capsys.readouterr().out)
    assert found["billed"]["services_monthly_usd"] == {"AmazonCloudWatch": pytest.approx(3.0 * 365.25 / 12 / 11)}
    assert found["monthly_usd"] == pytest.approx(640.0)
    account(day(1, AmazonCloudWatch=3.0))
    billed.show(12, as_json=False)
    said = capsys.readouterr().out
    assert "billed by AWS" in said
    assert "elsewhere" in said


def test_a_night_keeps_the_bill_with_the_plan_of_what_aws_bills_and_its_limit(account, monkeypatch):
    """By default nothing is asked; with `costs.bill_days` the bill, the plan of the items of AWS and the limit are kept
    for the service, and a bill that cannot be read leaves the last one."""
    kept = Path("var/billed.json")
    assert billed.remember() is None
    assert not kept.exists()
    text = Path("params.yaml").read_text()
    Path("params.yaml").write_text(text.replace("bill_days: 0 ", "bill_days: 13 ").replace("limit: 1.25", "limit: 2.0"))
    parameters.load.cache_clear()
    account(day(1, AmazonCloudWatch=26.0))
    found = billed.remember()
    planned = 150.0 + 120.0 + 100.0 + 70.0 + 70.0 + 20.0
    assert found == json.loads(kept.read_text())
    assert found["billed_monthly_usd"] == pytest.approx(2.0 * 365.25 / 12)
    assert (found["planned_monthly_usd"], found["limit_monthly_usd"]) == (planned, 2.0 * planned)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with pytest.raises(billed.BillUnknown):
        billed.remember()
    assert json.loads(kept.read_text()) == found


def test_no_answer_is_said_with_what_it_needs(account, monkeypatch):
    """Without an endpoint that answers, the error names the permission that is needed."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with pytest.raises(billed.BillUnknown, match="ce:GetCostAndUsage"):
        billed.bill(30, TODAY)
