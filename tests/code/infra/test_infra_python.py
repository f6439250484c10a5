"""Which Python an installation takes, and what it says where none fits."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

INFRA = Path(__file__).parents[3] / "infra"
TOOLS = ("bash", "sed", "cat", "cut", "sha256sum", "dirname", "mktemp", "rm", "df", "awk", "grep", "touch")
FAKE = """#!{shell}
# The interpreter of the tests, which takes itself for another one: `python -c PROGRAM WORDS`.
[ "$1" = -c ] || exit 9
shift
exec {python} -c '
import sys, ensurepip, venv
sys.version_info = (3, {minor}, 0, "{level}", 0)
sys.implementation.name = "{implementation}"
if {bare}: sys.modules["ensurepip"] = None
exec(sys.argv.pop(1))' "$@"
"""


def place(
    folder: Path, name: str, minor: int, level: str = "final", *, implementation: str = "cpython", bare: bool = False
) -> str:
    """Put a Python 3.MINOR onto a PATH; its path."""
    text = FAKE.format(
        shell=shutil.which("sh"),
        python=sys.executable,
        minor=minor,
        level=level,
        implementation=implementation,
        bare=bare,
    )
    (folder / name).write_text(text)
    (folder / name).chmod(0o755)
    return str(folder / name)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A PATH with the shell's tools and no Python."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for tool in TOOLS:
        (folder / tool).symlink_to(str(shutil.which(tool)))
    return folder


def find(path: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """infra/find_python.sh on this PATH."""
    command = ["bash", str(INFRA / "find_python.sh")]
    return subprocess.run(command, env={"PATH": str(path)} | environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("minor", [11, 12, 13])
def test_the_machines_own_python_comes_first(path: Path, minor: int) -> None:
    """`python3` is taken where oddsmith runs on it, whatever else there is."""
    own = place(path, "python3", minor)
    for other in (11, 12, 13):
        place(path, f"python3.{other}", other)

    assert find(path).stdout == own + "\n"


def test_else_the_newest_that_fits(path: Path) -> None:
    """Beside a python3 that is too old, the newest of the supported versions is taken."""
    place(path, "python3", 10)
    place(path, "python3.11", 11)
    newest = place(path, "python3.13", 13)
    place(path, "python3.14", 14)

    assert find(path).stdout == newest + "\n"


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        ({"minor": 10}, "python3 is Python 3.10"),
        ({"minor": 14}, "python3 is Python 3.14"),
        ({"minor": 11, "level": "candidate"}, "python3 is a pre-release of Python 3.11"),
        ({"minor": 12, "implementation": "pypy"}, "python3 is Python 3.12 (pypy)"),
        ({"minor": 12, "bare": True}, "python3 lacks venv (Debian, Ubuntu: apt install python3.12-venv)"),
    ],
)
def test_what_does_not_fit_is_named(path: Path, wrong: dict, text: str) -> None:
    """A Python that cannot be used ends with status 1 and the reason; the next one on PATH is taken."""
    place(path, "python3", **wrong)

    alone = find(path)
    second = place(path, "python3.12", 12)

    assert (alone.returncode, alone.stdout) == (1, "")
    assert text in alone.stderr
    assert "python3.13 was not found" in alone.stderr
    assert find(path).stdout == second + "\n"


def test_a_python_that_does_not_start_is_passed_over(path: Path) -> None:
    """A shim whose version is not installed ends with an error: the next one is taken."""
    (path / "python3").write_text(f"#!{shutil.which('sh')}\nexit 127\n")
    (path / "python3").chmod(0o755)

    assert "python3 does not run" in find(path).stderr
    second = place(path, "python3.11", 11)
    assert find(path).stdout == second + "\n"


def test_a_named_python_is_taken_or_refused(path: Path) -> None:
    """PYTHON names the one to take; if it does not fit, no other is taken in its place."""
    place(path, "python3", 13)
    named = place(path, "python3.11", 11)
    place(path, "python3.10", 10)

    assert find(path, PYTHON="python3.11").stdout == named + "\n"
    assert find(path, PYTHON=named).stdout == named + "\n"
    refused = find(path, PYTHON="python3.10")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "python3.10 is Python 3.10" in refused.stderr


@pytest.mark.parametrize("name", ["python3.11", "python3.12", "python3.13"])
def test_the_pythons_of_this_machine_are_found(name: str) -> None:
    """Every supported Python that runs here is taken by its name."""
    if not shutil.which(name) or subprocess.run([name, "-c", ""], capture_output=True, check=False).returncode:
        pytest.skip(f"{name} is not installed")
    done = subprocess.run(
        ["bash", str(INFRA / "find_python.sh")], env=os.environ | {"PYTHON": name}, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_where_none_fits_uv_brings_one(path: Path, tmp_path: Path) -> None:
    """Without a Python that fits, `uv` on PATH is asked for a Python of its own; its failure is the install's."""
    shutil.copytree(INFRA, tmp_path / "checkout/infra")
    for name in ("pyproject.toml", "requirements.lock"):
        shutil.copy(INFRA.parent / name, tmp_path / "checkout")
    (path / "uv").write_text(f'#!{shutil.which("sh")}\necho uv "$@"\nexit 3\n')
    (path / "uv").chmod(0o755)
    place(path, "python3", 14)

    done = subprocess.run(
        ["bash", str(tmp_path / "checkout/infra/install.sh")],
        env={"PATH": str(path)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 3
    assert "uv venv --quiet --seed --managed-python --python 3.13 .venv" in done.stdout
    assert "python3 is Python 3.14" in done.stderr


def test_without_any_python_the_install_says_what_to_do(path: Path, tmp_path: Path) -> None:
    """Neither a Python that fits nor uv: what was found, and what to install."""
    shutil.copytree(INFRA, tmp_path / "checkout/infra")
    for name in ("pyproject.toml", "requirements.lock"):
        shutil.copy(INFRA.parent / name, tmp_path / "checkout")

    done = subprocess.run(
        ["bash", str(tmp_path / "checkout/infra/install.sh")],
        env={"PATH": str(path)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 1
    assert "python3 was not found" in done.stderr
    assert "install Python 3.11, 3.12 or 3.13 with venv" in done.stderr
    assert not (tmp_path / "checkout/.venv").exists()
