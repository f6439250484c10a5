"""Costs, break-even and returns after costs."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from pipelines.core import params as parameters
from pipelines.core.errors import ParameterError
from pipelines.core.sections import CostsParams
from pipelines.costs import returns, stage

PARAMS = Path("params.yaml")


def section(**changes: object) -> CostsParams:
    """The shipped section with changes."""
    return CostsParams.model_validate({**parameters.read(PARAMS).costs.model_dump(), **changes})


def test_the_shipped_table_is_the_guides() -> None:
    """The price table sums to the guide's 640 USD a month and 7,680 USD a year."""
    document = stage.document(section())

    assert document["monthly_usd"] == pytest.approx(640.0)
    assert document["yearly_usd"] == pytest.approx(7_680.0)


def test_training_hours_scale_the_training_machine_alone() -> None:
    """Two hours of training a day cost a twelfth of the spot machine's price, and nothing else changes."""
    items = returns.monthly_items(section(training_hours_per_day=2.0))

    assert items[returns.TRAINING] == pytest.approx(10.0)
    assert returns.total(items) == pytest.approx(640.0 - 110.0)


@pytest.mark.parametrize(("capital", "expected"), [(10_000.0, 0.064), (50_000.0, 0.0128), (100_000.0, 0.0064)])
def test_break_even_is_cost_over_capital(capital: float, expected: float) -> None:
    """At the break-even return a month earns exactly its costs."""
    rate = returns.break_even(640.0, capital)

    assert rate == pytest.approx(expected)
    assert returns.outcome("any", capital, rate, 640.0).yearly_net_usd == pytest.approx(0.0, abs=1e-6)


def test_capital_needed_and_break_even_are_inverse() -> None:
    """The capital that a return needs breaks even at that return."""
    assert returns.break_even(640.0, returns.capital_needed(640.0, 0.05)) == pytest.approx(0.05)


@pytest.mark.parametrize(
    ("capital", "rate", "roi"),
    [(10_000.0, 0.05, -0.168), (10_000.0, 0.10, 0.432), (50_000.0, 0.10, 1.0464), (100_000.0, 0.10, 1.1232)],
)
def test_every_roi_is_of_the_capital(capital: float, rate: float, roi: float) -> None:
    """Yearly return is twelve net months over the capital, a loss as well as a gain."""
    assert returns.outcome("any", capital, rate, 640.0).roi == pytest.approx(roi)


def test_an_empty_account_earns_nothing_but_owes_its_bills() -> None:
    """Reinvested, an account that costs have emptied goes on paying and does not earn on debt."""
    assert returns.outcome("any", 600.0, 0.10, 640.0).roi_reinvested == pytest.approx(
        (20.0 + 2.0 - 11 * 640.0) / 600.0 - 1.0
    )


def test_the_command_prints_json_that_a_program_can_read() -> None:
    """`python -m pipelines costs --json` prints one document with bill, break-even, outcomes and audit."""
    result = subprocess.run(
        [sys.executable, "-m", "pipelines", "costs", "--json"], capture_output=True, text=True, check=True
    )
    document = json.loads(result.stdout)

    assert document["break_even_monthly_return"]["10000"] == pytest.approx(0.064)
    assert len(document["outcomes"]) == 9
    assert any(not check["adds_up"] for check in document["guide"])


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("monthly_usd", {"database": -1.0}),
        ("capital_usd", []),
        ("capital_usd", [0.0]),
        ("training_hours_per_day", 25.0),
    ],
)
def test_an_impossible_number_is_refused_by_name(key: str, value: object) -> None:
    """A negative price, no capital or a 25-hour day is refused with the key that is wrong."""
    document = parameters.read(PARAMS).model_dump(by_alias=True)
    document["costs"][key] = value

    with pytest.raises(ParameterError, match=rf"costs\.{key}"):
        parameters.parse(document, origin="params.yaml")
