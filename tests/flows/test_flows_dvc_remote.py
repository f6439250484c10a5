"""DVC's remote: a folder of this machine, or a bucket that machines share."""

import json
import logging
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from prefect.logging import disable_run_logger

from flows import dvc_remote, stage_tasks
from flows.child_environment import command_environment

DVC_YAML = """
stages:
  featurize:
    cmd: python -c "import pathlib; p = pathlib.Path('features'); p.mkdir(); (p / 'rows').write_text('rows')"
    outs: [features]
"""


def dvc(*words: str, cwd: Path, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run DVC in a folder."""
    return subprocess.run(
        [sys.executable, "-m", "dvc", *words],
        cwd=cwd,
        check=check,
        capture_output=True,
        text=True,
        env=command_environment(),
    )


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A DVC repository with the shipped parameters whose one stage has run."""
    root = tmp_path / "repository"
    root.mkdir()
    shutil.copy2(Path(__file__).parents[2] / "params.yaml", root)
    (root / "dvc.yaml").write_text(DVC_YAML)
    dvc("init", "--no-scm", "-q", cwd=root)
    dvc("repro", "-q", cwd=root)
    return root


def lose_everything_local(root: Path) -> None:
    """What a fresh machine does not have: outputs and cache."""
    shutil.rmtree(root / "features")
    shutil.rmtree(root / ".dvc/cache")


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["bucket", "folder"])
def test_outputs_come_back_from_the_remote(kind: str, repository: Path, bucket: str, aws: str, tmp_path: Path) -> None:
    """What was pushed to a bucket or a folder comes back byte for byte after outputs and cache are lost."""
    url = f"s3://{bucket}/dvc" if kind == "bucket" else str(tmp_path / "remote")
    dvc("remote", "add", "--default", "store", url, cwd=repository)
    if kind == "bucket":
        dvc("remote", "modify", "store", "endpointurl", aws, cwd=repository)
    dvc("push", cwd=repository)
    lose_everything_local(repository)
    dvc("pull", cwd=repository)

    assert (repository / "features/rows").read_text() == "rows"
    assert json.loads(dvc("status", "--json", cwd=repository).stdout) == {}


@pytest.mark.slow
def test_a_wrong_bucket_is_an_error_and_loses_nothing(repository: Path, aws: str) -> None:
    """A push to a bucket that is not there fails with a message, and the outputs stay."""
    dvc("remote", "add", "--default", "store", "s3://no-such-bucket/dvc", cwd=repository)
    dvc("remote", "modify", "store", "endpointurl", aws, cwd=repository)

    pushed = dvc("push", cwd=repository, check=False)

    assert pushed.returncode != 0
    assert "ERROR" in pushed.stderr
    assert (repository / "features/rows").read_text() == "rows"


@pytest.mark.slow
def test_a_night_pushes_everything_that_dvc_tracks(
    repository: Path, aws: str, prefect_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a remote nothing is pushed; with one all outputs of all stages are in it; one that is not there is said,
    and the night goes on."""
    monkeypatch.chdir(repository)
    push = dvc_remote.push.fn
    assert dvc_remote.default_remote() is None
    with disable_run_logger():
        assert not push()
        dvc("remote", "add", "--default", "store", str(repository.parent / "remote"), cwd=repository)
        monkeypatch.setattr(stage_tasks, "get_run_logger", lambda: logging.getLogger("night"))
        assert push()
        lose_everything_local(repository)
        dvc("pull", cwd=repository)
        assert (repository / "features/rows").read_text() == "rows"
        dvc("remote", "modify", "store", "url", "s3://no-such-bucket/dvc", cwd=repository)
        dvc("remote", "modify", "store", "endpointurl", aws, cwd=repository)
        assert not push()
