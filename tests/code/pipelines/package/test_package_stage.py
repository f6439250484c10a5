"""Stage package: what it refuses, and what the manifest and the card say."""

from pathlib import Path

import pytest

from pipelines.core.artifacts import write_json
from pipelines.core.errors import ArtifactError
from pipelines.core.params import read
from pipelines.features.spec import FEATURE_NAMES, FEATURE_VERSION
from pipelines.package import stage
from pipelines.package.card import card

PARAMS = read(Path("params.yaml"))
CHOICE = {"policy": {"kind": "threshold", "params": {"cost_multiple": 1.0}}, "sizing": {"win_probability": 0.6}}
WINDOW = {"source": "simulated", "start_s": 0, "as_of_s": 86_400}
META = {"kind": "hybrid", "lookback": 60, "horizon": 24, "bar_length_s": 60}


@pytest.fixture
def workplace(tmp_path, monkeypatch):
    """A folder with a choice and a window, and no models."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(stage, "load", lambda: PARAMS)
    write_json(Path("models/choice/choice.json"), CHOICE)
    write_json(Path("data/window.json"), WINDOW)
    return tmp_path


def test_a_missing_part_is_named_and_the_old_bundle_stays(workplace):
    """Without a forecaster the stage says which file is missing and leaves the bundle that was there."""
    old = workplace / "models/bundle/manifest.json"
    write_json(old, {"old": True})
    with pytest.raises(ArtifactError, match=r"forecaster\.onnx does not exist; run the stages before package"):
        stage.run()
    assert old.is_file()
    assert [path.name for path in (workplace / "models").glob(".*partial")] == []


def test_a_missing_choice_is_named(workplace):
    """Without a chosen policy there is nothing to seal."""
    (workplace / "models/choice/choice.json").unlink()
    with pytest.raises(ArtifactError, match=r"choice\.json does not exist"):
        stage.run()


def test_the_manifest_says_what_the_bundle_is(workplace):
    """Bar length, lookback, horizon, feature list and version, policy and time of the data are in the manifest."""
    write_json(Path("models/forecaster/meta.json"), META)
    made = stage.manifest(PARAMS, CHOICE, WINDOW)
    assert made["created_s"] == WINDOW["as_of_s"]
    assert (made["bar_length_s"], made["lookback_bars"], made["horizon_bars"]) == (60, 60, 24)
    assert made["feature_version"] == FEATURE_VERSION
    assert made["features"] == list(FEATURE_NAMES)
    assert made["policy"] == CHOICE["policy"]


def test_the_card_has_the_window_the_parameters_and_the_metrics(tmp_path):
    """The card quotes the reports that are there and does not need those that are not."""
    write_json(tmp_path / "forecast.json", {"skill": 0.03})
    made = card(PARAMS, WINDOW, tmp_path)
    assert made["window"] == WINDOW
    assert made["metrics"] == {"forecast": {"skill": 0.03}}
    assert made["params"]["forecast"]["lookback_bars"] == PARAMS.forecast.lookback_bars


def test_the_card_does_not_say_how_long_a_stage_took(tmp_path):
    """A night that is repeated makes the same bundle, on a busy machine too; what was measured of markets stays."""
    for folder, took in (("one", 12.0), ("other", 90.0)):
        times = {"seconds": took, "held_out_seconds": [took], "steps_per_s": took, "training_s": took, "filter_s": took}
        known = {"horizon_s": 60, "history": [{"seconds": took, "pnl_pusd": 5.0}]}
        write_json(tmp_path / folder / "agent.json", times | known)
    made = [card(PARAMS, WINDOW, tmp_path / folder) for folder in ("one", "other")]
    assert made[0] == made[1]
    assert made[0]["metrics"]["agent"] == {"horizon_s": 60, "history": [{"pnl_pusd": 5.0}]}
