"""The study of PPO's parameters: what it compares, what it keeps, and what it is called."""

import json
import os
import signal
import sys
from pathlib import Path

import pytest
import yaml

from benchmarks import tune
from pipelines.core.errors import ParameterError, Stopped
from pipelines.core.params import read
from pipelines.trading.observation import MarketScaler

sys.path.insert(0, str(Path(__file__).parents[1] / "pipelines/replay"))
from test_replay_identity import PARAMS, history, scaler

DATA = (
    "data/raw/markets.parquet",
    "data/raw/payouts.parquet",
    "data/raw/spreads.parquet",
    "data/features/features.parquet",
    "data/forecasts/forecasts.parquet",
)


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder with params.yaml and, as data, files of any content."""
    (tmp_path / "params.yaml").write_text(Path("params.yaml").read_text())
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tune, "load", params)
    for name in DATA:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(name)
    return tmp_path


def params():
    """params.yaml as it is now; the program reads it once."""
    return read(Path("params.yaml"))


def scored_by(monkeypatch, score):
    """Trials are scored by a function of their settings instead of a training."""
    monkeypatch.setattr(tune, "objective", lambda _: lambda settings, report: score(settings))


def change(section, **values):
    """Change numbers of params.yaml."""
    document = yaml.safe_load(Path("params.yaml").read_text())
    document[section] |= values
    Path("params.yaml").write_text(yaml.safe_dump(document))


def rows():
    """The ledger's rows."""
    return [json.loads(line) for line in Path("var/trials.jsonl").read_text().splitlines()]


def test_the_first_trial_is_what_stands_in_params(place, monkeypatch):
    """The study compares with params.yaml as it is, goes on where it stopped, and reports the gain."""
    seen = []
    scored_by(monkeypatch, lambda settings: seen.append(settings) or -abs(settings["gamma"] - 0.95))
    tune.run(2)
    tune.run(1)
    document = json.loads(Path("reports/tune.json").read_text())
    now = params().learner
    assert seen[0] == {name: getattr(now, name) for name in seen[0]}
    assert seen[1] != seen[0] != seen[2]
    assert document["trials"] == 3
    assert document["gain_pusd"] == max(row["measured"]["held_out_pnl_pusd"] for row in rows()) - -abs(now.gamma - 0.95)


def test_every_trial_trains_and_leaves_its_row(place, monkeypatch):
    """A real training per seed and trial: the ledger has the settings and the mean of what both seeds earned."""
    change("agent", imitation_epochs=0)
    change("ppo_entries", n_steps=16, timesteps=256)
    monkeypatch.setattr(tune.market_history, "read", lambda *_: [history(seed) for seed in range(1, 5)])
    monkeypatch.setattr(tune.market_history, "bar_length_s", lambda: 60)
    monkeypatch.setattr(MarketScaler, "read", lambda *_: scaler())
    tune.run(2)
    document = json.loads(Path("reports/tune.json").read_text())
    assert [row["settings"]["number"] for row in rows()] == [0, 1]
    assert {row["settings"]["study"] for row in rows()} == {document["study"]}
    assert rows()[0]["settings"]["batch_size"] == PARAMS.learner.batch_size
    assert rows()[0]["measured"] == {"held_out_pnl_pusd": document["as_it_is"]["held_out_pnl_pusd"]}
    assert document["as_it_is"]["held_out_pnl_pusd"] == tune.objective(params())(
        document["as_it_is"]["params"], lambda *_: None
    )


@pytest.mark.parametrize("error", [KeyboardInterrupt, FloatingPointError])
def test_a_trial_that_ends_early_counts(place, monkeypatch, error):
    """A trial that fails or is interrupted leaves a row with the error's name; params.yaml is tried again after it."""

    def broken(_):
        raise error

    scored_by(monkeypatch, broken)
    with pytest.raises(error):
        tune.run(3)
    assert [row["measured"] for row in rows()] == [{"held_out_pnl_pusd": None, "error": error.__name__}]
    scored_by(monkeypatch, lambda settings: 7.0)
    tune.run(1)
    document = json.loads(Path("reports/tune.json").read_text())
    assert rows()[1]["settings"]["gamma"] == params().learner.gamma
    assert document["as_it_is"]["held_out_pnl_pusd"] == 7.0
    assert document["trials"] == 2


def test_told_to_stop_it_finishes_the_trial(place, monkeypatch):
    """On SIGTERM the running trial is finished and kept, and no other one begins."""
    scored_by(monkeypatch, lambda settings: os.kill(os.getpid(), signal.SIGTERM) or 1.0)
    with pytest.raises(Stopped, match="1 of 5 trials"):
        tune.run(5)
    assert [row["measured"] for row in rows()] == [{"held_out_pnl_pusd": 1.0}]


def test_a_trial_below_the_median_is_pruned_and_counted(place, monkeypatch):
    """A trial whose first seed lies below the median of those before ends there, leaves its row, and is never best."""
    firsts, finished = iter([5.0, 6.0, 7.0, 8.0, 1.0, 9.0]), []

    def score(settings, report):
        first = next(firsts)
        report(1, first)
        finished.append(first)
        return first

    monkeypatch.setattr(tune, "objective", lambda _: score)
    tune.run(6)
    document = json.loads(Path("reports/tune.json").read_text())
    assert finished == [5.0, 6.0, 7.0, 8.0, 9.0]
    assert [row["measured"].get("pruned", False) for row in rows()] == [False] * 4 + [True, False]
    assert document["trials"] == 6
    assert document["not_whole"] == 1
    assert document["best"]["held_out_pnl_pusd"] == 9.0


@pytest.mark.parametrize("name", DATA)
def test_other_data_is_another_study(place, monkeypatch, name):
    """Scores of other data are not compared: the study begins anew, with params.yaml as it is."""
    scored_by(monkeypatch, lambda settings: 1.0)
    tune.run(1)
    Path(name).write_text("other")
    tune.run(1)
    assert json.loads(Path("reports/tune.json").read_text())["trials"] == 1
    assert len({row["settings"]["study"] for row in rows()}) == 2


def test_what_is_searched_does_not_name_the_study_and_what_is_fixed_does(place):
    """A new value inside the space goes on with the study; another limit, training length or space begins one."""

    def name():
        return tune.study_name(params(), tune.space(params()))

    first = name()
    change("ppo_entries", gamma=0.95, n_epochs=7)
    assert name() == first
    names = {first}
    for section, values in (
        ("risk", {"stop_loss": 0.03}),
        ("ppo_entries", {"timesteps": 1}),
        ("ppo_entries", {"n_epochs": 20}),
    ):
        change(section, **values)
        names.add(name())
    assert len(names) == 4


def test_values_outside_the_usual_space_are_tried_too(place, monkeypatch):
    """Whatever params.yaml allows can be compared with: the space grows to hold it."""
    odd = {"batch_size": 1000, "n_epochs": 40, "learning_rate": 0.01, "gamma": 0.5, "clip_range": 1.0, "ent_coef": 0.5}
    change("ppo_entries", **odd)
    seen = []
    scored_by(monkeypatch, lambda settings: seen.append(settings) or 0.0)
    tune.run(1)
    assert odd.items() <= seen[0].items()


def test_no_trials_are_refused():
    """A study of nothing is a mistake of the caller."""
    with pytest.raises(ParameterError, match="0 trials"):
        tune.run(0)
