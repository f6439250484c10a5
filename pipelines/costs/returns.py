"""Monthly and yearly cost, break-even return, return after costs. Every percentage has one base: the capital."""

from collections.abc import Mapping
from dataclasses import dataclass

from pipelines.core.sections import CostsParams

MONTHS = 12
HOURS = 24
TRAINING = "compute_training"


@dataclass(frozen=True, slots=True)
class ReturnCase:
    """A year of one capital under one scenario, in USD and as fractions of the capital."""

    scenario: str
    capital_usd: float
    monthly_return: float
    monthly_net_usd: float
    yearly_net_usd: float
    roi: float
    """Yearly net profit over capital when profits are taken out every month."""
    roi_reinvested: float
    """The same when profits stay in and costs are paid out of the account."""


def monthly_items(params: CostsParams) -> dict[str, float]:
    """USD a month per item; the training machine is charged for the hours that it runs."""
    share = params.training_hours_per_day / HOURS
    return {name: usd * (share if name == TRAINING else 1.0) for name, usd in params.monthly_usd.items()}


def total(items: Mapping[str, float]) -> float:
    """USD a month of all items."""
    return float(sum(items.values()))


def break_even(monthly_cost_usd: float, capital_usd: float) -> float:
    """Monthly return on the capital that pays the costs and nothing more."""
    return monthly_cost_usd / capital_usd


def capital_needed(monthly_cost_usd: float, monthly_return: float) -> float:
    """Capital in USD whose return at this rate pays the costs and nothing more."""
    return monthly_cost_usd / monthly_return


def outcome(scenario: str, capital_usd: float, monthly_return: float, monthly_cost_usd: float) -> ReturnCase:
    """A year of this capital at this return, after costs."""
    monthly_net = capital_usd * monthly_return - monthly_cost_usd
    yearly_net = MONTHS * monthly_net
    return ReturnCase(
        scenario=scenario,
        capital_usd=capital_usd,
        monthly_return=monthly_return,
        monthly_net_usd=monthly_net,
        yearly_net_usd=yearly_net,
        roi=yearly_net / capital_usd,
        roi_reinvested=_reinvested(capital_usd, monthly_return, monthly_cost_usd) / capital_usd - 1.0,
    )


def _reinvested(capital_usd: float, monthly_return: float, monthly_cost_usd: float) -> float:
    balance = capital_usd
    for _ in range(MONTHS):
        # An empty account earns nothing, but its bills go on.
        balance += max(balance, 0.0) * monthly_return - monthly_cost_usd
    return balance


def outcomes(params: CostsParams, monthly_cost_usd: float) -> list[ReturnCase]:
    """Every scenario at every capital, the capital first."""
    return [
        outcome(scenario, capital, monthly_return, monthly_cost_usd)
        for capital in params.capital_usd
        for scenario, monthly_return in params.monthly_return.items()
    ]
