"""Trains in a process of its own, with the shipped parameters."""

import subprocess
import sys
import textwrap
from pathlib import Path

LIMIT_S = 280


def said(script: str, folder: Path) -> str:
    """What a script of this folder printed, given an empty folder and the parameters; it must end well."""
    command = [sys.executable, str(Path(__file__).parent / script), str(folder), str(Path("params.yaml").resolve())]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=LIMIT_S)
    assert done.returncode == 0, textwrap.indent(done.stderr[-3000:], "    ")
    return done.stdout
