"""models/start: what the next training begins from."""

from pathlib import Path

import numpy as np
import pytest

from pipelines.core.artifacts import read_json, sha256_path, write_json
from pipelines.core.products import AGENT, BUNDLE, CHOICE, FORECASTER, START
from pipelines.inference import start_point

FIRST, SECOND = "a" * 64, "b" * 64


@pytest.fixture(autouse=True)
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with the products of the run that made FIRST, which is champion."""
    monkeypatch.chdir(tmp_path)
    made(FIRST, 1.0)
    write_json(Path("var/champion.json"), {"hash": FIRST, "source": "simulated"})
    assert start_point.keep(Path("var"), FIRST)
    return tmp_path


def made(bundle: str, value: float) -> None:
    """The products of a run."""
    write_json(BUNDLE / "manifest.json", {"hash": bundle})
    write_json(FORECASTER / "meta.json", {"filter": {"keep_u": value}})
    AGENT.mkdir(parents=True, exist_ok=True)
    start_point.save_weights(FORECASTER / "weights.npz", [np.full(2, value), np.zeros((1, 3))])
    start_point.save_weights(AGENT / "weights.npz", {"net.weight": np.full((2, 2), value)})


def test_the_next_training_begins_from_the_champion() -> None:
    """Filter, weights and agent of the champion lie there with its hash, also when later products are another's."""
    made(SECOND, 9.0)
    start_point.note(Path("var"), wanted=True)
    found = start_point.read()
    assert found is not None
    assert (found.bundle, found.filter) == (FIRST, {"keep_u": 1.0})
    assert found.network is not None
    assert [value.tolist() for value in found.network] == [[1.0, 1.0], [[0.0, 0.0, 0.0]]]
    assert found.agent is not None
    assert found.agent["net.weight"].tolist() == [[1.0, 1.0], [1.0, 1.0]]


def test_without_a_warm_start_the_folder_says_why_and_holds_no_weights() -> None:
    """Off, a night from scratch, no champion, or a champion of another machine: the training begins from scratch."""
    made(SECOND, 9.0)
    cases = {"off": {"wanted": False}, "scratch": {"wanted": True, "scratch": True}}
    for word, asked in cases.items():
        start_point.note(Path("var"), **asked)
        assert start_point.read() is None
        assert word in read_json(START / "start.json")["why"]
        assert [path.name for path in START.iterdir()] == ["start.json"]
    write_json(Path("var/champion.json"), {"hash": SECOND, "source": "simulated"})
    made(FIRST, 1.0)
    start_point.note(Path("var"), wanted=True)
    assert "not on this machine" in read_json(START / "start.json")["why"]


def test_an_unchanged_night_finds_what_the_last_one_began_from() -> None:
    """While the window is kept the folder keeps its bytes, so that DVC trains nothing again; a warm start that is
    turned on or off counts at once. A new window begins from what trades by then, last night's candidate too."""
    start_point.note(Path("var"), wanted=False)
    before = sha256_path(START)
    start_point.note(Path("var"), wanted=False)
    assert sha256_path(START) == before
    made(SECOND, 9.0)
    start_point.note(Path("var"), wanted=True, fresh=False)
    began = sha256_path(START)
    assert began != before
    start_point.note(Path("var"), wanted=True, scratch=True, fresh=False)
    assert sha256_path(START) == began
    write_json(Path("var/champion.json"), {"hash": SECOND, "source": "simulated"})
    assert start_point.keep(Path("var"), SECOND)
    start_point.note(Path("var"), wanted=True, fresh=False)
    assert sha256_path(START) == began
    start_point.note(Path("var"), wanted=True)
    assert read_json(START / "start.json")["champion"] == SECOND


def test_weights_of_another_run_are_not_kept_under_a_bundle() -> None:
    """A bundle whose products are gone is not given those of a later run."""
    assert not start_point.keep(Path("var"), SECOND)
    assert not Path("var/start", SECOND[:12]).exists()


def test_a_kept_policy_keeps_the_weights_of_its_own_night() -> None:
    """Where the backtest kept the champion's policy, the agent that is kept is the one that the policy came from."""
    made(SECOND, 9.0)
    write_json(CHOICE / "choice.json", {"kept": FIRST})
    assert start_point.keep(Path("var"), SECOND)
    write_json(Path("var/champion.json"), {"hash": SECOND, "source": "simulated"})
    start_point.note(Path("var"), wanted=True)
    found = start_point.read()
    assert found is not None
    assert found.agent is not None
    assert (found.filter, found.agent["net.weight"].tolist()) == ({"keep_u": 9.0}, [[1.0, 1.0], [1.0, 1.0]])


def test_equal_weights_are_equal_bytes(tmp_path: Path) -> None:
    """The file of weights depends on the weights alone: the products of an unchanged training have the same hash."""
    for name in ("one.npz", "other.npz"):
        start_point.save_weights(tmp_path / name, [np.arange(3.0)])
    assert (tmp_path / "one.npz").read_bytes() == (tmp_path / "other.npz").read_bytes()
