"""The record of champions, without Prefect."""

import json
from pathlib import Path

import pytest

from flows import champions
from flows.champions import (
    DEPLOYED,
    PROMOTED,
    ROLLED_BACK,
    champion,
    earlier,
    history,
    promote_record,
    retire,
    withdrawn,
)


@pytest.fixture(autouse=True)
def var(tmp_path, monkeypatch) -> Path:
    """A machine of its own."""
    monkeypatch.setenv("ODDSMITH_VAR", str(tmp_path / "var"))
    monkeypatch.delenv("ODDSMITH_STORE_URL", raising=False)
    return tmp_path / "var"


def _record(name: str, source: str = "simulated") -> dict[str, str]:
    tag, at = f"oddsmith:{name}-code", "2026-01-01T00:00:00+00:00"
    return {"hash": name * 8, "bento_tag": tag, "mlflow_version": "1", "promoted_at": at, "source": source}


def test_the_champion_is_the_last_that_was_crowned(var):
    """champion.json holds the record as the service reads it, and the history one line per change."""
    promote_record(_record("a"), PROMOTED)
    promote_record(_record("b"), PROMOTED)

    assert json.loads((var / "champion.json").read_text()) == _record("b")
    assert [line["hash"] for line in history()] == ["a" * 8, "b" * 8]


def test_a_champion_from_before_the_history_is_remembered(var):
    """A champion.json without a line in the history gets one before it is replaced, so it can come back."""
    var.mkdir()
    (var / "champion.json").write_text(json.dumps(_record("a")))

    promote_record(_record("b"), PROMOTED)

    assert [record["hash"] for record in earlier()] == ["a" * 8]


def test_what_was_rolled_back_stays_off_until_a_person_deploys_it():
    """A withdrawn bundle is no candidate for a rollback or a promotion; deploying it lifts that."""
    promote_record(_record("a"), PROMOTED)
    promote_record(_record("b"), PROMOTED)
    promote_record(_record("a"), ROLLED_BACK, "loses money", withdrawn="b" * 8)

    assert withdrawn() == {"b" * 8: "loses money"}
    assert earlier() == []

    promote_record(_record("b"), DEPLOYED)

    assert withdrawn() == {}
    assert [record["hash"] for record in earlier()] == ["a" * 8]


def test_a_champion_of_another_source_does_not_come_back():
    """A rollback never crosses from recordings to simulated markets or back."""
    promote_record(_record("a", "recorded"), PROMOTED)
    promote_record(_record("b"), PROMOTED)

    assert earlier() == []


def test_retiring_leaves_no_champion_and_a_line():
    """Without a champion the service goes on in cash; the history says why."""
    promote_record(_record("a"), PROMOTED)
    retire("trained on another source")

    assert champion() is None
    assert history()[-1]["event"] == "retired"
    assert history()[-1]["reason"] == "trained on another source"


def test_a_line_that_a_crash_cut_off_is_left_out(var):
    """The history stays readable after a kill in the middle of a write."""
    promote_record(_record("a"), PROMOTED)
    with (var / "champions.jsonl").open("a") as stream:
        stream.write('{"hash": "bbbb')

    assert [line["hash"] for line in history()] == ["a" * 8]


def test_a_bundle_is_found_inside_its_bento_before_the_candidate(var, tmp_path, monkeypatch):
    """The bundle of a record is the one in its bento, or the candidate of the same hash; another hash is none."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("BENTOML_HOME", raising=False)
    record = _record("a")
    assert champions.bundle_folder(record) is None

    for folder in (Path("models/bundle"), var / "bento/bentos/oddsmith/a-code/src/bundle"):
        folder.mkdir(parents=True)
        (folder / "manifest.json").write_text(json.dumps({"hash": record["hash"]}))
        assert champions.bundle_folder(record) == folder
    assert champions.bundle_folder(_record("b")) is None
