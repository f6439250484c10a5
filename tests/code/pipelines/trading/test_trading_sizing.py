import pytest

from pipelines.core.errors import ArtifactError
from pipelines.trading import policies, sizing


def test_kelly_of_the_guide():
    """Kelly is p - q / b: 62 % wins of twice the loss give 0.43."""
    assert sizing.kelly(0.62, 100.0, 50.0) == pytest.approx(0.43)


def test_no_wins_mean_no_bet():
    """Without a win there is nothing to size."""
    assert sizing.kelly(0.0, 0.0, 0.02) == 0.0
    assert sizing.NO_SIGNALS.kelly == 0.0


def test_cap_is_the_smaller_of_limit_and_fractional_kelly():
    """cap = equity x min(10 %, 0.25 x Kelly x confidence)."""
    assert sizing.cap_micro(10_000_000_000, 0.10, 0.25, 0.2, 0.8) == 400_000_000
    assert sizing.cap_micro(10_000_000_000, 0.10, 0.25, 0.9, 0.9) == 1_000_000_000
    assert sizing.cap_micro(10_000_000_000, 0.10, 0.25, -0.1, 0.9) == 0


def test_the_table_survives_its_file(tmp_path):
    """A written table is read back equal."""
    table = sizing.SizingTable(0.6, 0.05, 0.03, 120, 9)
    table.write(tmp_path / "sizing.json")
    assert sizing.SizingTable.read(tmp_path / "sizing.json") == table


def test_an_unknown_policy_is_named():
    """The error names the kind and those that are known."""
    with pytest.raises(ArtifactError, match=r"unknown policy kind 'sac_v9'.*threshold"):
        policies.load("sac_v9", {})


def test_a_learned_policy_without_a_file_says_what_to_do(tmp_path):
    """The error names the file and the stage that writes it."""
    with pytest.raises(ArtifactError, match="run the agent stage"):
        policies.load("ppo", {}, tmp_path)
