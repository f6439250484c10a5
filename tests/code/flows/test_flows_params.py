"""`make params`: changing numbers from the command line."""

import shutil
from pathlib import Path

import pytest
import yaml
from job_pages import blocks

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


def test_a_long_pattern_is_kept_to_the_letter(file):
    """A text that is longer than a line, with backslashes and blanks, is read back as it was given."""
    pattern = rf"question:^({'|'.join(f'coin{k}' for k in range(40))}) above \$?\d[\d,.]*k? on \w+ \d+$"
    change([f"markets.allow=['{pattern}']"], file)

    assert list(params.read(file).markets.allow) == [pattern]


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


def test_texts_of_a_list_are_read_by_every_reader_of_yaml(file):
    """A pattern with a colon is written so that libyaml reads it as the text that was given, with quotes or without."""
    change(["markets.allow=[topic:politics, 'question:bitcoin|ethereum', slug:btc-*]"], file)

    wanted = ["topic:politics", "question:bitcoin|ethereum", "slug:btc-*"]
    assert yaml.load(file.read_text(), yaml.CSafeLoader)["markets"]["allow"] == wanted
    assert list(params.read(file).markets.allow) == wanted


def test_the_first_number_of_a_policy_of_ones_own_makes_its_section(tmp_path, file, monkeypatch):
    """A strategy of which params.yaml says nothing gets a section; a key that it does not declare,
    and a policy that there is not, are refused, and nothing changes."""
    (tmp_path / "strategies").mkdir()
    (tmp_path / "strategies/dip.py").write_text(blocks("docs/first-strategy.md", "python")[0])
    monkeypatch.chdir(tmp_path)

    for wrong in ("policy.buy_the_dip.fall_unit=500", "policy.buy_the_drop.fall_units=500"):
        with pytest.raises(ParameterError, match="unknown key policy"):
            change([wrong], file)
    assert file.read_bytes() == SHIPPED.read_bytes()

    (made,) = change(["policy.buy_the_dip.fall_units=500"], file)

    assert tuple(made) == ("policy.buy_the_dip.fall_units", None, 500)
    assert params.read(file).policy.kinds["buy_the_dip"] == {"fall_units": 500}
