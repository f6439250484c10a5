"""data/champion.json: the champion that the gate of a night compares with."""

import time
from pathlib import Path

import pytest

from benchmarks import tiny_bundle
from pipelines.core.artifacts import read_json, write_json
from pipelines.core.products import CHAMPION, WINDOW
from pipelines.core.settings import Source
from pipelines.inference import rival

DAY_S = 86_400


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A folder with an installed, approved bundle that is champion; its hash."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("BENTOML_HOME", raising=False)
    folder = Path("var/bento/bentos/oddsmith/one/src/bundle")
    name = tiny_bundle.make(folder)
    tiny_bundle.approve(folder)
    write_json(Path("var/champion.json"), {"hash": name, "bento_tag": "oddsmith:one", "source": "simulated"})
    return folder, name


def noted(source=Source.SIMULATED, *, fresh=True):
    """What is written for a window of a source."""
    rival.note(source, Path("var").absolute(), fresh=fresh)
    return read_json(CHAMPION)


def test_the_champion_that_trades_is_named(machine):
    """Its hash is what the gate will look for among the installed bundles."""
    assert noted() == {"champion": machine[1], "why": ""}


@pytest.mark.parametrize(("said", "in_cash"), [("promote", False), ("promote_in_cash", True)])
def test_a_champion_whose_forecasts_alone_were_promoted_is_a_rival_in_cash(machine, said, in_cash):
    """It is compared with as what it does: it forecasts, and opens nothing."""
    tiny_bundle.approve(machine[0], said=said)
    noted()
    found = rival.find("ab" * 32)
    assert (found.bundle.hash, found.in_cash) == (machine[1], in_cash)


def test_no_champion_is_said_with_its_reason(machine):
    """None at all, one of another source, and one whose verdict expired are no champion to beat."""
    assert "another source (simulated)" in noted(Source.RECORDED)["why"]
    tiny_bundle.approve(machine[0], valid_days=30, now_s=time.time() - 31 * DAY_S)
    assert "expired" in noted()["why"]
    Path("var/champion.json").unlink()
    assert noted() == {"champion": None, "why": "nothing trades yet"}


@pytest.fixture
def promoted(machine):
    """The same, where the champion is the candidate of the last run, which nothing was compared with; its hash."""
    write_json(CHAMPION, {"champion": None, "why": "nothing trades yet"})
    Path("models/bundle").mkdir(parents=True)
    Path("models/bundle/manifest.json").write_bytes((machine[0] / "manifest.json").read_bytes())
    return machine[1]


def test_an_unchanged_night_judges_nothing_again(promoted):
    """In the same window the note stays while the last run's candidate is the champion: DVC reruns no gate for it."""
    assert noted(fresh=False) == {"champion": None, "why": "nothing trades yet"}


def test_the_next_night_is_compared_with_last_nights_candidate(promoted):
    """A new window names what trades, also where that is the candidate of the night before."""
    assert noted() == {"champion": promoted, "why": ""}
    assert rival.find("ab" * 32).bundle.hash == promoted


@pytest.mark.parametrize(("source", "why"), [("simulated", ""), ("recorded", "another source (simulated)")])
def test_a_changed_parameter_is_compared_with_what_trades(promoted, source, why):
    """In a kept window the note is older; a run that makes another bundle is judged against the champion all the same,
    if it is of its source."""
    noted(fresh=False)
    write_json(WINDOW, {"source": source})
    found = rival.find("ab" * 32)

    assert (found.bundle.hash if found.bundle else None) == (None if why else promoted)
    assert why in found.why
    assert rival.find(promoted).bundle is None
