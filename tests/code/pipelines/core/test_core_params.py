"""Typed parameters."""

from pathlib import Path

import pytest
import yaml

from pipelines.core import params
from pipelines.core.errors import ParameterError

ROOT = Path(__file__).parents[4]


def document() -> dict:
    """The shipped parameters, parsed."""
    return yaml.safe_load((ROOT / "params.yaml").read_text())


def test_the_shipped_file_is_allowed():
    """What we ship loads, and the edge that the README states is the one in it."""
    assert params.read(ROOT / "params.yaml").simulator.edge == 1.0


def test_the_guides_ppo_can_be_chosen():
    """The section `ppo` has the guide's hyper-parameters, number by number; its rollout of 2,048 steps is shared by
    eight environments. What trains by default learns at entries."""
    document = yaml.safe_load((ROOT / "params.yaml").read_text())
    assert document["agent"]["learner"] == "ppo_entries"
    document["agent"] |= {"learner": "ppo", "decisions": "bars"}
    shipped = params.parse(document, origin="params.yaml")

    assert shipped.learner.n_envs * shipped.learner.n_steps == 2_048
    given = {key: value for key, value in shipped.learner.model_dump().items() if value}
    assert given == {
        "timesteps": 100_000, "n_envs": 8, "n_steps": 256, "batch_size": 64, "n_epochs": 10, "learning_rate": 3e-4,
        "gamma": 0.99, "gae_lambda": 0.95, "clip_range": 0.2, "ent_coef": 0.01, "vf_coef": 0.5, "max_grad_norm": 0.5,
    }  # fmt: skip


def test_every_problem_is_named_at_once():
    """An unknown key, an out-of-range value and a wrong type are all in one message, with what is allowed."""
    broken = document()
    broken["risk"]["max_leverage"] = 3
    broken["sizing"]["kelly_fraction"] = 3
    broken["forecast"]["epochs"] = "many"

    with pytest.raises(ParameterError) as caught:
        params.parse(broken, origin="params.yaml")

    text = str(caught.value)
    assert "unknown key risk.max_leverage (value 3); known keys are max_position_fraction" in text
    assert "sizing.kelly_fraction was 3" in text
    assert "forecast.epochs was 'many'" in text


def test_the_slices_share_all_of_time():
    """Shares that do not sum to one are refused with their sum."""
    broken = document()
    broken["slices"]["fit"] = 0.9

    with pytest.raises(ParameterError, match=r"they sum to 1\.5"):
        params.parse(broken, origin="params.yaml")


@pytest.mark.parametrize("text", ["", "[1, 2]", "just words"])
def test_a_file_that_is_no_mapping_is_refused(tmp_path, text):
    """An empty or foreign file says what was expected."""
    file = tmp_path / "params.yaml"
    file.write_text(text)

    with pytest.raises(ParameterError, match="must be a mapping of sections"):
        params.read(file)


def test_a_missing_file_says_where_to_run():
    """The person is told to change folder."""
    with pytest.raises(ParameterError, match=r"run from the folder that holds params\.yaml"):
        params.read(Path("/nowhere/params.yaml"))


def test_parameters_are_frozen():
    """Nobody changes a number after it was read."""
    loaded = params.parse(document(), origin="params.yaml")

    with pytest.raises(ValueError, match="frozen"):
        loaded.risk.max_markets = 50
