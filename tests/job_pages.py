"""The commands that pages show, and a folder in which they run as a user types them."""

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[1]
PROGRAM = """#!{python}
import sys
from pathlib import Path

import oddsmith.__main__ as program

program.ROOT = Path.cwd()
sys.exit(program.main())
"""
MAKE = """#!/bin/sh
exec {make} --old-file=install "$@"
"""
"""`make` on the environment that runs the tests: it is there, so nothing is installed."""


def blocks(page: str, language: str = "sh") -> list[str]:
    """The code of a page in a language, block by block."""
    return re.findall(rf"^```{language}\n(.*?)^```", (ROOT / page).read_text(), flags=re.M | re.S)


def commands(page: str) -> list[str]:
    """The command lines of a job's page: those of its first block."""
    return blocks(f"docs/jobs/{page}.md")[0].splitlines()


def programs(folder: Path) -> Path:
    """A folder for PATH with `oddsmith` and `make`."""
    folder.mkdir(parents=True)
    texts = {
        "oddsmith": PROGRAM.format(python=sys.executable),
        "make": MAKE.format(make=shutil.which("make")),
    }
    for name, text in texts.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    return folder


def environment(folder: Path, given: dict[str, str]) -> dict[str, str]:
    """The variables of a user who works in a folder, with those that are given."""
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("ODDSMITH_", "PREFECT_", "MLFLOW_"))
    }
    tools = folder.parent / "programs"
    path = f"{tools if tools.is_dir() else programs(tools)}{os.pathsep}{kept['PATH']}"
    return kept | {"PYTHONPATH": str(folder), "PATH": path, "OMP_NUM_THREADS": "1"} | given


def run(folder: Path, line: str, **variables: str) -> str:
    """What a command line prints in a folder that is a clone; it has to succeed."""
    given = environment(folder, variables)
    done = subprocess.run(["bash", "-c", line], cwd=folder, env=given, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{line}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout


@contextmanager
def started(folder: Path, line: str, **variables: str) -> Iterator[None]:
    """A command line that runs until it is interrupted, which is done at the end."""
    with (folder.parent / "said").open("w") as said:
        process = subprocess.Popen(
            ["bash", "-c", line],
            cwd=folder,
            env=environment(folder, variables),
            stdout=said,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            yield
        finally:
            os.killpg(process.pid, signal.SIGINT)
            process.wait(60)


def links_to_the_checkout(folder: Path) -> Path:
    """A folder with links to what a clone has at its top, without products, and with parameters of its own."""
    folder.mkdir(parents=True)
    for entry in ROOT.iterdir():
        if entry.name not in {"data", "models", "reports", "var", "strategies", ".git", ".env", "params.yaml"}:
            (folder / entry.name).symlink_to(entry)
    shutil.copy2(ROOT / "params.yaml", folder)
    return folder
