"""The flows' own doors: Prefect asks who speaks, archives are read with care, cut lock files of DVC are healed."""

import fcntl
import io
import json
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from backports import tarfile

from flows import backup as backup_module
from flows import dvc_locks, prefect_access
from flows.backup import backup, newest, restore
from flows.local.attach import alone
from flows.local.screen import Screen
from flows.local.stack import Ports, Stack
from pipelines.core import params
from pipelines.core.errors import ArtifactError
from pipelines.core.settings import Settings


def test_every_prefect_of_this_machine_has_a_login(tmp_path: Path) -> None:
    """Server and clients get the same auth string, allowed origins and CSRF protection; the file is its owner's."""
    stack = Stack(
        tmp_path / "var", params.read(Path(__file__).parents[2] / "params.yaml"), Ports(1, 2, 4200, 4), Screen()
    )

    made, by_hand = stack.environment(), alone(tmp_path / "var")

    login = (tmp_path / "var" / "prefect.auth").read_text().strip()
    assert login.startswith("oddsmith:")
    for environment in (made, by_hand):
        assert {environment["PREFECT_SERVER_API_AUTH_STRING"], environment["PREFECT_API_AUTH_STRING"]} == {login}
        assert environment["PREFECT_SERVER_CSRF_PROTECTION_ENABLED"] == "true"
        assert environment["PREFECT_SERVER_CORS_ALLOWED_ORIGINS"].startswith("http://127.0.0.1")
    assert stat.S_IMODE((tmp_path / "var" / "prefect.auth").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "var").stat().st_mode) == 0o700
    (tmp_path / "var" / "prefect.auth").chmod(0o640)
    with pytest.raises(ArtifactError, match="can be read by others"):
        stack.environment()


@pytest.mark.nightly
def test_prefect_refuses_strangers_and_foreign_pages(tmp_path: Path) -> None:
    """The real server under our settings: 401 without the login, no CORS for another origin, no change without CSRF."""
    script = """
import base64, os
from starlette.testclient import TestClient
from prefect.server.api.server import create_app
client = TestClient(create_app(), base_url="http://127.0.0.1:4200")
login = {"authorization": "Basic " + base64.b64encode(os.environ["PREFECT_API_AUTH_STRING"].encode()).decode()}
evil = {"origin": "http://evil.example", "access-control-request-method": "POST"}
with client:
    print(client.get("/api/health").status_code,
          client.get("/api/admin/version").status_code,
          client.get("/api/admin/version", headers=login).status_code,
          client.post("/api/flows/filter", json={}, headers=login).status_code,
          client.options("/api/flows/filter", headers=evil).headers.get("access-control-allow-origin"))
"""
    environment = {
        **prefect_access.access(tmp_path, "http://127.0.0.1:4200"),
        "PREFECT_HOME": str(tmp_path / "prefect"),
        "PATH": "/usr/bin:/bin",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    }
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, cwd=tmp_path, capture_output=True, text=True, check=False
    )

    assert done.stdout.split() == ["200", "401", "200", "403", "None"], done.stderr[-2000:]


CUT = [
    b"",
    b"\0" * 64,
    b'{"write": {}, "re',
    b"null",
    b"[]",
    b'{"write": {"/x": {"pid": 1}}}',
    b'{"read": {"/x": [1]}}',
]


@pytest.mark.parametrize("content", CUT)
def test_a_cut_rwlock_is_healed_and_said(tmp_path: Path, content: bytes) -> None:
    """Empty, zeroed, cut or of another shape: set aside with a line, and DVC goes on."""
    folder = tmp_path / ".dvc" / "tmp"
    folder.mkdir(parents=True)
    (folder / "rwlock").write_bytes(content)

    said = dvc_locks.heal(tmp_path)

    assert len(said) == 1
    assert "was cut off" in said[0]
    assert not (folder / "rwlock").exists()
    assert next(folder.glob("rwlock.broken-*")).read_bytes() == content
    assert dvc_locks.heal(tmp_path) == []


def test_a_lock_that_is_held_or_whole_is_left_alone(tmp_path: Path) -> None:
    """A DVC at work may be writing the file right now: nothing is touched; a readable one is no fault."""
    folder = tmp_path / ".dvc" / "tmp"
    folder.mkdir(parents=True)
    (folder / "rwlock").write_text(json.dumps({"write": {"/x": {"pid": 1, "cmd": "repro"}}, "read": {}}))
    assert dvc_locks.heal(tmp_path) == []
    (folder / "rwlock").write_text('{"wri')
    with (folder / "rwlock.lock").open("a") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        assert dvc_locks.heal(tmp_path) == []

    assert len(dvc_locks.heal(tmp_path)) == 1


@pytest.mark.slow
@pytest.mark.parametrize("spoiled", [".dvc/tmp/rwlock", "dvc.lock"])
def test_dvc_itself_works_after_healing(tmp_path: Path, spoiled: str) -> None:
    """DVC fails on the cut file, every time; healed, the same command succeeds."""
    dvc = [sys.executable, "-m", "dvc"]
    (tmp_path / "dvc.yaml").write_text("stages:\n  one: {cmd: 'echo x > out', outs: [out]}\n")
    subprocess.run([*dvc, "init", "--no-scm", "-q"], cwd=tmp_path, check=True)
    subprocess.run([*dvc, "repro", "-q"], cwd=tmp_path, check=True)
    (tmp_path / spoiled).write_bytes(b'{"a": [\0\0')

    broken = subprocess.run([*dvc, "repro", "-f"], cwd=tmp_path, check=False, capture_output=True)
    said = dvc_locks.heal(tmp_path)
    healed = subprocess.run([*dvc, "repro", "-f"], cwd=tmp_path, check=False, capture_output=True, text=True)

    assert broken.returncode != 0
    assert len(said) == 1
    assert healed.returncode == 0, healed.stderr


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A machine's var/ with a champion and its secrets."""
    monkeypatch.delenv("ODDSMITH_STORE_URL", raising=False)
    var = tmp_path / "var"
    var.mkdir()
    for name in ("champion.json", "service.token", "prefect.auth"):
        (var / name).write_text(f"before {name}")
    return Settings(_env_file=None, var=var)


def test_two_backups_and_two_restores_in_one_second_do_not_collide(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each has a name of its own, the newest sorts last, and nothing that was set aside is lost."""
    monkeypatch.setattr(backup_module, "_now", lambda: "20260101T000000Z")

    made = [backup(settings, keep=9) for _ in range(3)]
    asides = [restore(settings, made[-1]) for _ in range(3)]

    assert len(set(made)) == len(set(asides)) == 3
    assert newest(settings) == made[-1]
    assert all((aside / "champion.json").read_text() == "before champion.json" for aside in asides)


def test_secrets_are_in_no_backup_and_survive_a_restore(settings: Settings) -> None:
    """The token and the login of this machine stay on it; the archive is readable by its owner alone."""
    archive = backup(settings, keep=1)

    with tarfile.open(archive) as tar:
        assert tar.getnames() == ["champion.json"]
    assert stat.S_IMODE(archive.stat().st_mode) == 0o600
    restore(settings, archive)
    assert (settings.var / "service.token").read_text() == "before service.token"


def _member(name: str, kind: bytes = tarfile.REGTYPE, size: int = 1, link: str = "") -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.size, member.linkname = kind, size, link
    return member


@pytest.mark.parametrize(
    ("member", "words"),
    [
        (_member("link", tarfile.SYMTYPE, 0, "/etc/passwd"), "a link or device"),
        (_member("link", tarfile.SYMTYPE, 0, "champion.json"), "a link or device"),
        (_member("link", tarfile.LNKTYPE, 0, "champion.json"), "a link or device"),
        (_member("pipe", tarfile.FIFOTYPE, 0), "a link or device"),
        (_member("disk", tarfile.BLKTYPE, 0), "a link or device"),
        (_member("../outside"), "leads out of it"),
        (_member("a/../../outside"), "leads out of it"),
        (_member("/outside"), "leads out of it"),
        (_member("bomb", size=2 * 2**30), "would unpack to more than"),
    ],
)
def test_an_archive_that_is_no_backup_of_ours_changes_nothing(
    settings: Settings, tmp_path: Path, member: tarfile.TarInfo, words: str
) -> None:
    """Links, devices, paths outside and bombs are refused before anything is written."""
    archive = tmp_path / "odd.tar.gz"
    with tarfile.open(archive, "w:gz", compresslevel=1) as tar:
        tar.addfile(member, io.BytesIO(b"x") if member.size == 1 else _Zeros())
    before = sorted(settings.var.rglob("*"))

    with pytest.raises(ArtifactError, match=words):
        restore(settings, archive)

    assert sorted(settings.var.rglob("*")) == before
    assert not (tmp_path / "outside").exists()


class _Zeros(io.RawIOBase):
    """An endless stream of zeros."""

    def read(self, size: int = -1) -> bytes:
        return bytes(size)
