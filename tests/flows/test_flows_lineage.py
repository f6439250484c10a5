"""What a night archives of a bundle: the dvc.lock that made it, and where it came from."""

import json
import subprocess
from pathlib import Path

import pytest

from flows import lineage
from flows.tracking import Registered
from pipelines.core.artifacts import write_json

LOCK = """\
schema: '2.0'
stages:
  pull:
    deps: [{path: pipelines/core, md5: 11.dir}, {path: data/window.json, md5: '22'}]
    outs: [{path: data/raw, md5: 33.dir}]
"""
NAME = "ab" * 32


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A checkout of one commit in which a night has made a bundle."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ODDSMITH_VAR", str(tmp_path / "var"))
    monkeypatch.delenv("ODDSMITH_STORE_URL", raising=False)
    Path("params.yaml").write_text("forecast: {epochs: 2}\n")
    who = ("-c", "user.name=a", "-c", "user.email=a@b.test")
    for command in (("init", "-q"), ("add", "params.yaml"), (*who, "commit", "-qm", "a")):
        subprocess.run(["git", *command], check=True)
    Path("dvc.lock").write_text(LOCK)
    write_json(Path("data/window.json"), {"source": "simulated", "as_of_s": 5})
    return tmp_path


def archived(path):
    """The document of an archive."""
    return json.loads((path / "lineage.json").read_text())


def test_the_archive_holds_what_made_the_bundle(folder):
    """The very dvc.lock, parameters and window, hashes of data and code apart, the commit, and the MLflow run."""
    path = lineage.keep(NAME, Registered("3", "run9"))
    found = archived(path)
    assert (path / "dvc.lock").read_text() == LOCK
    assert {one.name for one in path.iterdir()} == {"dvc.lock", "params.yaml", "window.json", "lineage.json"}
    assert (found["data"], found["code"]) == (
        {"data/raw": "33.dir", "data/window.json": "22"},
        {"pipelines/core": "11.dir"},
    )
    assert found["mlflow"] == {"run_id": "run9", "version": "3", "model": "models:/oddsmith/3"}
    assert len(found["commit"]["hash"]) == 40
    assert found["commit"]["changed"] == []


def test_a_later_night_with_the_same_bundle_adds_its_line(folder):
    """The first night and the commit of then stay; a changed file of the checkout is named for a new bundle."""
    lineage.keep(NAME, Registered("3", "run9"))
    Path("params.yaml").write_text("forecast: {epochs: 3}\n")
    again = archived(lineage.keep(NAME, Registered("3", "run9")))
    assert len(again["nights"]) == 2
    assert again["commit"]["changed"] == []
    assert archived(lineage.keep("cd" * 32, Registered("4", "run10")))["commit"]["changed"] == ["params.yaml"]


def test_a_night_archives_its_lock_again_after_the_gate(folder, monkeypatch):
    """What is archived when the verdict is recorded names that verdict, and the night still has one line."""
    monkeypatch.setattr(lineage.flow_run, "get_id", lambda: "run-of-tonight")
    lineage.keep(NAME, Registered("3", "run9"))
    Path("dvc.lock").write_text(LOCK + "  gate: {outs: [{path: models/verdict.json, md5: '77'}]}\n")
    found = archived(lineage.keep(NAME, Registered("3", "run9")))
    assert found["data"]["models/verdict.json"] == "77"
    assert [one["flow_run"] for one in found["nights"]] == ["run-of-tonight"]


def test_without_git_and_dvc_the_archive_says_so(tmp_path, monkeypatch):
    """A folder that is no checkout has no commit and no hashes, and keeps what there is."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ODDSMITH_VAR", str(tmp_path / "var"))
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    found = archived(lineage.keep(NAME, Registered("1", None)))
    assert (found["commit"], found["data"], found["window"]) == (None, {}, None)


@pytest.mark.slow
def test_the_shared_store_has_the_archive_too(folder, bucket, monkeypatch):
    """With ODDSMITH_STORE_URL the files lie below lineage/<hash> in the bucket."""
    import boto3

    monkeypatch.setenv("ODDSMITH_STORE_URL", f"s3://{bucket}/shared")
    lineage.keep(NAME, Registered("3", "run9"))
    names = [one["Key"] for one in boto3.client("s3").list_objects_v2(Bucket=bucket)["Contents"]]
    assert f"shared/lineage/{NAME}/dvc.lock" in names
