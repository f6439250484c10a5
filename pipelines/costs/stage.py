"""`oddsmith costs`: the bill, the break-even return, the return after costs, the guide's figures checked."""

import json
import sys
from dataclasses import asdict
from typing import Any

from pipelines.core import params as parameters
from pipelines.core.sections import CostsParams
from pipelines.costs import guide, returns


def run(*, as_json: bool = False) -> None:
    """Print the calculation for the `costs` section of params.yaml, as text or as one JSON document."""
    params = parameters.load().costs
    sys.stdout.write(json.dumps(document(params), indent=2) + "\n" if as_json else text(params))


def document(params: CostsParams) -> dict[str, Any]:
    """Everything that is computed; USD, and fractions of the capital."""
    items = returns.monthly_items(params)
    monthly = returns.total(items)
    return {
        "monthly_usd": monthly,
        "yearly_usd": returns.MONTHS * monthly,
        "items_monthly_usd": items,
        "break_even_monthly_return": {f"{c:g}": returns.break_even(monthly, c) for c in params.capital_usd},
        "capital_needed_usd": {n: returns.capital_needed(monthly, r) for n, r in params.monthly_return.items()},
        "outcomes": [asdict(outcome) for outcome in returns.outcomes(params, monthly)],
        "guide": [asdict(check) for check in guide.audit()],
    }


def text(params: CostsParams) -> str:
    """The same for a person, in three tables."""
    monthly = returns.total(returns.monthly_items(params))
    return "\n".join([*_bill(params, monthly), "", *_scenarios(params, monthly), "", *_audit(), ""])


def _bill(params: CostsParams, monthly: float) -> list[str]:
    lines = [f"{'USD':<24}{'a month':>12}{'a year':>12}"]
    for name, usd in returns.monthly_items(params).items():
        lines.append(f"{name:<24}{usd:>12,.2f}{returns.MONTHS * usd:>12,.2f}")
    lines.append(f"{'total':<24}{monthly:>12,.2f}{returns.MONTHS * monthly:>12,.2f}")
    if params.training_hours_per_day < returns.HOURS:
        hours = f"{params.training_hours_per_day:g} of {returns.HOURS} hours a day"
        lines.append(f"(the training machine runs {hours}: costs.training_hours_per_day)")
    return lines


def _scenarios(params: CostsParams, monthly: float) -> list[str]:
    lines = [
        "After costs; every percentage is of the capital. Reinvested: profits stay in, costs leave the account.",
        f"{'capital':>10}  {'break-even':>10}  {'scenario':<14}{'a month':>8}{'net a year':>14}"
        f"{'ROI':>9}{'reinvested':>12}",
    ]
    for row in returns.outcomes(params, monthly):
        needed = returns.break_even(monthly, row.capital_usd)
        lines.append(
            f"{row.capital_usd:>10,.0f}  {needed:>10.2%}  {row.scenario:<14}{row.monthly_return:>8.1%}"
            f"{row.yearly_net_usd:>14,.0f}{row.roi:>9.1%}{row.roi_reinvested:>12.1%}"
        )
    for name, rate in params.monthly_return.items():
        lines.append(
            f"{name} ({rate:.1%} a month) pays the costs from {returns.capital_needed(monthly, rate):,.0f} USD on"
        )
    lines.append(
        "The scenarios are the guide's assumptions; what was measured is in reports/backtest.json and gate.json."
    )
    return lines


def _audit() -> list[str]:
    lines = ["The guide's figures, recomputed from its own inputs"]
    for check in guide.audit():
        mark = "ok      " if check.adds_up else "DIFFERS "
        remark = f"  [{check.remark}]" if check.remark else ""
        lines.append(f"{mark} {check.where}: says {check.stated}, is {check.recomputed}{remark}")
    return lines
