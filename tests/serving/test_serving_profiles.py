"""Two profiles trade side by side: accounts, journals and ports of their own, one champion, one page."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from serving_venue import ROOT, promote, simulator

pytestmark = pytest.mark.slow

MAKE = """
import sys
from oddsmith import profiles
profiles.add(sys.argv[1], "simulated", int(sys.argv[2]), sys.argv[3], "shared")
"""

START = """
from oddsmith import live, profiles
profiles.enter({name!r}, "serve")
live.serve("127.0.0.1", None)
"""


def _state(port: int, path: str = "api/state") -> Any:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/{path}", timeout=10) as answer:
            return json.load(answer)
    except (urllib.error.URLError, OSError):
        return {}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def _served(name: str, clone: Path, environment: dict[str, str]) -> Iterator[None]:
    """`oddsmith --profile NAME serve` of the clone in a folder."""
    with (clone / f"{name}.log").open("wb") as log:
        command = [sys.executable, "-c", START.format(name=name)]
        process = subprocess.Popen(command, cwd=clone, env=environment, stdout=log, stderr=log)
    try:
        yield
    finally:
        process.terminate()
        process.wait(timeout=40)


@pytest.mark.nightly
def test_two_profiles_trade_beside_each_other_and_one_page_shows_both(tmp_path: Path) -> None:
    """Each profile has its own account, journal and policy; the champion of the clone decides in both; the page of each
    lists all of them with their figures, and the clone's own bot as not running."""
    clone = tmp_path
    (clone / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    promote(clone)
    ports = {"plain": _free_port(), "pinned": _free_port()}
    with simulator(speed=60) as venue, ExitStack() as running:
        clean = {key: value for key, value in os.environ.items() if not key.startswith(("ODDSMITH_", "BENTOML"))}
        environment = clean | venue | {"PYTHONPATH": str(ROOT), "ODDSMITH_VAR": str(clone / "var")}
        for name, policy in (("plain", ""), ("pinned", "kelly")):
            arguments = [sys.executable, "-c", MAKE, name, str(ports[name]), policy]
            subprocess.run(arguments, cwd=clone, env=environment, check=True)
            running.enter_context(_served(name, clone, environment))
        deadline = time.monotonic() + 300
        while not all(_state(port).get("decided_bars", 0) >= 1 for port in ports.values()):
            logs = "".join((clone / f"{name}.log").read_text()[-1500:] for name in ports)
            assert time.monotonic() < deadline, logs
            time.sleep(0.5)
        states = {name: _state(port) for name, port in ports.items()}
        rows = {row["profile"]: row for row in _state(ports["plain"], "api/profiles")}
        with urllib.request.urlopen(f"http://127.0.0.1:{ports['plain']}/profiles", timeout=10) as answer:
            page = answer.read().decode()

    assert states["plain"]["account"]["address"] != states["pinned"]["account"]["address"]
    assert states["plain"]["model"]["bundle"] == states["pinned"]["model"]["bundle"]
    assert (states["plain"]["policy"], states["plain"]["pinned_policy"]) == ("threshold", "")
    assert (states["pinned"]["policy"], states["pinned"]["pinned_policy"]) == ("kelly", "kelly")
    assert "POLICY kelly IS PINNED" in states["pinned"]["cash_reason"]
    assert all((clone / "profiles" / name / "var" / "journal.sqlite").is_file() for name in ports)
    assert not (clone / "var" / "journal.sqlite").exists()
    assert list(rows) == ["default", "pinned", "plain"]
    assert [rows[name]["running"] for name in rows] == [False, True, True]
    assert rows["pinned"]["pinned"]
    assert (rows["plain"]["champion"], rows["plain"]["bundle"]) == ("shared", states["plain"]["model"]["bundle"])
    assert rows["plain"]["equity_pusd"] == pytest.approx(10_000, rel=0.05)
    assert rows["plain"]["page"] == f"http://127.0.0.1:{ports['plain']}/"
    assert 'id="profiles"' in page
