"""The check of what a small `make run` left behind can fail."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).parents[3] / ".ci/check_run.py"
RUN = {
    "steps": {"pull": 1.0},
    "gate": {"verdict": "hold", "reasons": ["too few events"]},
    "policy": "threshold",
    "orders": 3,
    "decisions": 8,
    "ledger_equals_venue": True,
    "urls": {},
    "source": "simulated",
}
PARITY = {"bars": 4, "decisions": 8, "different": 0, "not_replayed": 0, "unreplayable": 0, "differences": []}


def check(folder: Path, run: dict[str, Any], parity: dict[str, Any]) -> subprocess.CompletedProcess[str]:
    """The script on two reports."""
    (folder / "run.json").write_text(json.dumps(run))
    (folder / "parity.json").write_text(json.dumps(parity))
    command = [sys.executable, str(SCRIPT), "run.json", "parity.json"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_a_good_run_passes_with_its_figures(tmp_path: Path) -> None:
    """Reports with every key, more keys than asked for too, end with status 0 and the figures."""
    done = check(tmp_path, RUN, PARITY)

    assert (done.returncode, done.stderr) == (0, "")
    assert '"verdict": "hold"' in done.stdout


@pytest.mark.parametrize("key", ["steps", "gate", "policy", "orders", "decisions", "ledger_equals_venue", "urls"])
def test_a_key_that_the_run_lacks_is_named(tmp_path: Path, key: str) -> None:
    """A report without one of its keys fails by the key's name, whatever other keys it has."""
    done = check(tmp_path, {name: value for name, value in RUN.items() if name != key}, PARITY)

    assert done.returncode == 1
    assert f"the run's report lacks {key};" in done.stderr


@pytest.mark.parametrize("key", sorted(PARITY))
def test_a_key_that_the_parity_lacks_is_named(tmp_path: Path, key: str) -> None:
    """So does a parity report."""
    done = check(tmp_path, RUN, {name: value for name, value in PARITY.items() if name != key})

    assert done.returncode == 1
    assert f"the parity report lacks {key};" in done.stderr


@pytest.mark.parametrize(
    ("run", "parity", "text"),
    [
        ({"gate": {"verdict": "maybe"}}, {}, "the gate said"),
        ({"gate": None}, {}, "the gate said None"),
        ({"ledger_equals_venue": False}, {}, "the ledger differs"),
        ({"ledger_equals_venue": None}, {}, "the ledger differs"),
        ({"decisions": 0}, {}, "decided nothing"),
        ({}, {"decisions": 0}, "not identical and whole"),
        ({}, {"different": 1}, "not identical and whole"),
        ({}, {"not_replayed": 2}, "not identical and whole"),
    ],
)
def test_a_run_that_went_wrong_fails(tmp_path: Path, run: dict[str, Any], parity: dict[str, Any], text: str) -> None:
    """Each thing that a run must have done is checked by itself."""
    done = check(tmp_path, RUN | run, PARITY | parity)

    assert done.returncode == 1
    assert text in done.stderr
