"""What AWS has billed: Cost Explorer by service, next to the plan of params.yaml.

Every question costs 0.01 USD, and AWS's figures of the last two days are estimates. The account that asks needs
`ce:GetCostAndUsage`.
"""

import json
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from pipelines.core import params as parameters
from pipelines.core.artifacts import write_json
from pipelines.core.errors import OddsmithError
from pipelines.core.settings import Settings
from pipelines.costs import returns, stage

REGION: Final = "us-east-1"
"""Cost Explorer answers there for all regions."""
BILLED: Final = "billed.json"
"""In var: the bill that the last night read."""
METRIC: Final = "UnblendedCost"
DAYS_OF_MONTH: Final = 365.25 / 12.0
SERVICES: Final[Mapping[str, tuple[str, ...]]] = {
    "Amazon Elastic Compute Cloud - Compute": ("compute_trading", returns.TRAINING),
    "EC2 - Other": ("networking",),
    "Amazon Relational Database Service": ("database",),
    "Amazon Simple Storage Service": ("storage",),
    "Amazon Elastic Load Balancing": ("networking",),
    "Amazon Virtual Private Cloud": ("networking",),
    "AmazonCloudWatch": ("logging",),
}
"""Service of the bill -> items of `costs.monthly_usd` that plan for it; a bill does not tell the two machines apart."""


class BillUnknown(OddsmithError):
    """Cost Explorer did not say what was billed."""


def bill(days: int, today: date | None = None) -> dict[str, Any]:
    """What was billed in the last `days` whole days: total, by service, a month at this rate, and the plan beside it.

    Raises:
        BillUnknown: with what AWS said, and what to do.
    """
    until = today or datetime.now(UTC).date()
    since = until - timedelta(days=days)
    by_service: dict[str, float] = {}
    estimated = False
    for period in _periods(since, until):
        estimated |= bool(period.get("Estimated"))
        for group in period.get("Groups", ()):
            service = str(group["Keys"][0])
            by_service[service] = by_service.get(service, 0.0) + float(group["Metrics"][METRIC]["Amount"])
    total = sum(by_service.values())
    plan = returns.monthly_items(parameters.load().costs)
    return {
        "since": since.isoformat(),
        "until": until.isoformat(),
        "estimated": estimated,
        "total_usd": total,
        "monthly_usd": total / days * DAYS_OF_MONTH,
        "planned_monthly_usd": returns.total(plan),
        "services_monthly_usd": {name: usd / days * DAYS_OF_MONTH for name, usd in sorted(by_service.items())},
        "beside_the_plan": _beside(plan, {name: usd / days * DAYS_OF_MONTH for name, usd in by_service.items()}),
    }


def _beside(plan: Mapping[str, float], billed: Mapping[str, float]) -> list[dict[str, Any]]:
    """A row per group of items that a service pays for: planned and billed USD a month; then what nothing plans for,
    and what AWS does not bill."""
    rows: dict[tuple[str, ...], float] = {}
    for service, usd in billed.items():
        items = SERVICES.get(service, ())
        rows[items] = rows.get(items, 0.0) + usd
    expected = dict.fromkeys((*SERVICES.values(), *((item,) for item in plan if not _billed_by_aws(item))), 0.0)
    return [
        {
            "items": list(items),
            "planned_usd": sum(plan.get(item, 0.0) for item in items),
            "billed_usd": (expected | rows)[items] if not items or _billed_by_aws(items[0]) else None,
        }
        for items in expected | rows
    ]


def _billed_by_aws(item: str) -> bool:
    return any(item in items for items in SERVICES.values())


def _periods(since: date, until: date) -> Iterator[dict[str, Any]]:
    asked: dict[str, Any] = {
        "TimePeriod": {"Start": since.isoformat(), "End": until.isoformat()},
        "Granularity": "DAILY",
        "Metrics": [METRIC],
        "GroupBy": [{"Type": "DIMENSION", "Key": "SERVICE"}],
    }
    try:
        client = boto3.client("ce", region_name=REGION)
        while True:
            answer = client.get_cost_and_usage(**asked)
            yield from answer.get("ResultsByTime", ())
            if not answer.get("NextPageToken"):
                return
            asked["NextPageToken"] = answer["NextPageToken"]
    except (BotoCoreError, ClientError) as error:
        raise BillUnknown(
            f"Cost Explorer did not answer: {error}; it needs AWS credentials with ce:GetCostAndUsage, and has to be "
            "switched on once in the billing console"
        ) from None


def remember() -> dict[str, float] | None:
    """Ask for the bill of `costs.bill_days` and keep it in var/billed.json, where the service reads it for its metrics;
    what was kept, None where nothing is asked.

    The plan is that of the items which AWS bills: a month of USD, like the bill and its limit.

    Raises:
        BillUnknown: with what AWS said; the former file stays.
    """
    costs = parameters.load().costs
    if costs.bill_days == 0:
        return None
    found = bill(costs.bill_days)
    planned = sum(row["planned_usd"] for row in found["beside_the_plan"] if row["billed_usd"] is not None)
    kept = {
        "billed_monthly_usd": found["monthly_usd"],
        "planned_monthly_usd": planned,
        "limit_monthly_usd": costs.bill_limit * planned,
    }
    write_json(Settings().var / BILLED, kept)
    return kept


def show(days: int, *, as_json: bool) -> None:
    """Print the plan as `oddsmith costs` does, and the bill next to it."""
    found = bill(days)
    if as_json:
        document = stage.document(parameters.load().costs) | {"billed": found}
        sys.stdout.write(json.dumps(document, indent=2) + "\n")
        return
    sys.stdout.write(stage.text(parameters.load().costs) + "\n" + "\n".join(_lines(found)) + "\n")


def _lines(found: Mapping[str, Any]) -> list[str]:
    marked = ", partly an estimate" if found["estimated"] else ""
    lines = [f"billed by AWS from {found['since']} to {found['until']}{marked}: {found['total_usd']:,.2f} USD"]
    lines.append(f"{'USD a month at this rate':<36}{'planned':>12}{'billed':>12}")
    for row in found["beside_the_plan"]:
        billed = "elsewhere" if row["billed_usd"] is None else f"{row['billed_usd']:,.2f}"
        lines.append(f"{' + '.join(row['items']) or 'not planned':<36}{row['planned_usd']:>12,.2f}{billed:>12}")
    lines.append(f"{'total':<36}{found['planned_monthly_usd']:>12,.2f}{found['monthly_usd']:>12,.2f}")
    return lines
