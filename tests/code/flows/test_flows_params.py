"""`make params`: changing numbers from the command line."""

import shutil
from pathlib import Path

import pytest

from flows.edit_params import change
from pipelines.core import params
from pipelines.core.errors import ParameterError

SHIPPED = Path(__file__).parents[3] / "params.yaml"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A copy of the shipped parameters."""
    return Path(shutil.copy(SHIPPED, tmp_path))


def test_numbers_change_and_comments_stay(file):
    """Only the lines that were named differ, and they keep their comment; what changed is said, old and new."""
    before = params.read(file)
    made = change(["simulator.edge=0.5", "forecast.epochs=1"], file)

    assert [tuple(one) for one in made] == [
        ("simulator.edge", before.simulator.edge, 0.5),
        ("forecast.epochs", before.forecast.epochs, 1),
    ]
    assert params.read(file).simulator.edge == 0.5
    assert params.read(file).forecast.epochs == 1
    assert file.read_text().count("#") == SHIPPED.read_text().count("#")


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("simulator.edge=7", r"simulator\.edge was 7"),
        ("simulator.wedge=1", r"unknown key simulator\.wedge"),
        ("sim.edge=1", "unknown section sim"),
        ("edge", "is no assignment"),
        ("forecast.epochs=two", r"forecast\.epochs was 'two'"),
    ],
)
def test_what_is_not_allowed_is_refused_and_nothing_changes(file, assignment, message):
    """A refused change names key and value, and leaves the file byte for byte."""
    with pytest.raises(ParameterError, match=message):
        change(["forecast.seed=9", assignment], file)

    assert file.read_bytes() == SHIPPED.read_bytes()
