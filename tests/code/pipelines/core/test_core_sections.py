"""Every number of params.yaml explains itself."""

import re
from typing import Any

import pytest

from oddsmith import parameters
from pipelines.core import params, sections
from pipelines.core.sections import Section

FIELDS = [
    (f"{name}.{field}", info)
    for name, model in vars(sections).items()
    if isinstance(model, type) and issubclass(model, Section) and model is not Section
    for field, info in model.model_fields.items()
]


@pytest.mark.parametrize(("name", "info"), FIELDS, ids=[name for name, _ in FIELDS])
def test_every_field_says_what_it_means_and_in_which_unit(name: str, info: Any):
    """The docstring of a field is a sentence, and ends with the unit where the field is a number."""
    said = " ".join((info.description or "").split())
    meaning, _, unit = said.partition(" Unit: ")

    assert len(meaning) > 10
    assert meaning.endswith(".")
    if re.search(r"\b(int|float)\b", str(info.annotation)):
        assert re.fullmatch(r"[^.]+\.", unit), f"{name} names no unit"


def test_every_number_is_explained_with_value_range_and_stages(in_clone):
    """The explanation has the value of params.yaml, the bounds of the type and the stages of dvc.yaml."""
    found = {one.key: one for one in parameters.explained(params.load())}

    stop = found["risk.stop_loss"]
    assert stop.value == params.load().risk.stop_loss
    assert stop.unit == "share of the entry mid"
    assert stop.range == "a number, at least 0, at most 1"
    assert stop.stages == ("agent", "backtest", "package", "gate")
    assert found["serving.rescan_s"].stages == ()
    assert found["news.scorer"].range == "one of vader, tone, finbert, openai"
    assert found["costs.monthly_usd"].range == "a mapping, each value a number, at least 0"
    assert found["forecast.horizon_bars"].stages[0] == "pull"
    assert found["simulator.seed"].unit is None
    assert found["policy.threshold.exit_multiple"].unit == "round-trip costs"
    assert found["policy.threshold.exit_multiple"].stages == ("agent", "backtest", "package", "gate")
    assert all(one.meaning and one.range for one in found.values())
