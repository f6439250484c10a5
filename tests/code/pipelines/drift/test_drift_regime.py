"""From a change of regime in the simulator to the decision, on files and through the command."""

import os
import shutil
from pathlib import Path

import pytest

from benchmarks import drift_world as world
from pipelines.__main__ import main
from pipelines.core import params
from pipelines.core.artifacts import read_json
from simulator.markets.events import EPOCH_S

pytestmark = [pytest.mark.slow, pytest.mark.nightly]

DAYS = 6
SHIPPED = Path(__file__).parents[4] / "params.yaml"


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder like the repository after a night: data/raw, features, forecasts and a sealed filter."""
    folder = tmp_path_factory.mktemp("trained")
    before = Path.cwd()
    shutil.copy(SHIPPED, folder)
    os.chdir(folder)
    params.load.cache_clear()
    try:
        markets = world.source(DAYS)
        world.write_raw(markets, world.events(markets.family, markets.now_s), Path("data/raw"), EPOCH_S, markets.now_s)
        world.train()
        yield folder
    finally:
        os.chdir(before)
        params.load.cache_clear()


def _drift(folder: Path, monkeypatch, seed: int, **change: float) -> dict:
    """The decision half a day after a change on day 3 of another world of the same kind."""
    monkeypatch.setenv("ODDSMITH_VAR", str(folder / "var"))
    landing = folder / "landing"
    shutil.rmtree(landing, ignore_errors=True)
    markets = world.source(3.5, seed=seed, drift_at_min=3 * 1440, **change)
    world.write_raw(
        markets, world.events(markets.family, markets.now_s), landing, markets.now_s - 14 * 3_600, markets.now_s
    )
    assert main(["drift", "--landing", str(landing)]) == 0
    return read_json(Path("reports/drift.json"))


def test_more_of_the_same_is_no_drift(trained, monkeypatch):
    """Other markets and other news of the same regime are stable: composition is not drift."""
    found = _drift(trained, monkeypatch, 23)

    assert found["verdict"] == "stable", found["reasons"]
    assert found["sample"]["markets"] > 40
    assert found["refit"]["events"] >= 10
    assert not found["refit"]["behind"]
    assert "<html" in Path("reports/drift.html").read_text(encoding="utf-8")[:2_000].lower()


def test_a_changed_relation_shows_in_no_feature(trained, monkeypatch):
    """Under-reaction that turns into over-reaction moves no feature and destroys the forecast: drift by lost skill."""
    found = _drift(trained, monkeypatch, 21, drift_rel=1.0)

    assert found["verdict"] == "drift"
    assert any("lost its skill" in reason for reason in found["reasons"])
    assert not any(column["drifted"] for column in found["columns"].values() if column["group"] == "feature")


def test_a_world_with_more_to_find_is_drift_though_no_skill_was_lost(trained, monkeypatch):
    """Where errors of the price are gone sooner, the forecast of the old world keeps its skill and misses what a filter
    of the recent bars finds."""
    found = _drift(trained, monkeypatch, 22, revert_min=2.0)

    assert found["verdict"] == "drift"
    assert not found["skill"]["lost"]
    assert found["refit"]["behind"]
    assert found["refit"]["refit"] > found["refit"]["bundle"] + found["refit"]["lead_over_bundle"]


def test_changed_features_show_in_their_distribution(trained, monkeypatch):
    """More volume and more news move features; the forecast may stay as good as it was."""
    found = _drift(trained, monkeypatch, 21, drift_feat=1.0)

    drifted = {name for name, column in found["columns"].items() if column["drifted"]}
    assert found["verdict"] == "drift"
    assert {"volume", "sentiment"} <= drifted
    assert found["skill"]["loss_lower_bound"] < 0.0


def test_too_few_markets_decide_nothing(trained, monkeypatch):
    """Below the minimum sample the answer is that there is too little to say."""
    landing = trained / "few"
    markets = world.source(0.3, seed=5)
    world.write_raw(markets, world.events(markets.family, markets.now_s), landing, EPOCH_S + 5 * 3_600, markets.now_s)
    monkeypatch.setenv("ODDSMITH_VAR", str(trained / "var"))

    assert main(["drift", "--landing", str(landing)]) == 0

    found = read_json(Path("reports/drift.json"))
    assert found["verdict"] == "too_little"
    assert "are needed" in found["reasons"][0]


def test_the_champion_keeps_the_training_window_it_was_promoted_with(trained, monkeypatch, capsys):
    """Once data/ belongs to another bundle, a bundle without a remembered window is refused by name."""
    monkeypatch.setenv("ODDSMITH_VAR", str(trained / "fresh"))
    other = trained / "other"
    shutil.copytree(trained / "models" / "bundle", other, dirs_exist_ok=True)
    (other / "manifest.json").unlink()
    world.seal(other, {**_manifest(trained), "created_s": 1})

    assert main(["drift", "--remember"]) == 0
    assert main(["drift", "--bundle", str(other), "--landing", str(trained / "landing")]) == 1
    assert "training window" in capsys.readouterr().err


def _manifest(folder: Path) -> dict:
    known = read_json(folder / "models" / "bundle" / "manifest.json")
    return {key: value for key, value in known.items() if key not in ("hash", "files", "format")}


def test_an_empty_landing_zone_says_what_to_run(trained, monkeypatch, capsys):
    """Without bars the command ends with one line that names the ingest flow."""
    monkeypatch.setenv("ODDSMITH_VAR", str(trained / "fresh"))

    assert main(["drift", "--landing", str(trained / "nothing")]) == 1
    assert "run the ingest flow" in capsys.readouterr().err
