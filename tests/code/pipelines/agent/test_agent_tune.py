import json
from pathlib import Path

import optuna
import pytest

from pipelines.agent import tune
from pipelines.core.errors import ParameterError
from pipelines.core.params import load


def test_the_first_trial_is_what_stands_in_params(tmp_path, monkeypatch):
    """The study compares with params.yaml as it is, goes on where it stopped, and reports the gain."""
    (tmp_path / "params.yaml").write_text(Path("params.yaml").read_text())
    monkeypatch.chdir(tmp_path)
    seen = []

    def fake(params, timesteps):
        def score(trial):
            seen.append(tune.suggested(trial))
            return float(-abs(seen[-1]["gamma"] - 0.95))

        return score

    monkeypatch.setattr(tune, "objective", fake)
    tune.run(2)
    tune.run(1)
    document = json.loads(Path("reports/tune.json").read_text())
    assert seen[0]["gamma"] == load().agent.gamma
    assert document["trials"] == 3
    assert document["gain_pusd"] >= 0.0
    study = optuna.load_study(study_name="ppo", storage=f"sqlite:///{tune.STUDY}")
    assert study.trials[0].params["n_epochs"] == load().agent.n_epochs


def test_no_trials_are_refused():
    """A study of nothing is a mistake of the caller."""
    with pytest.raises(ParameterError, match="0 trials"):
        tune.run(0)
