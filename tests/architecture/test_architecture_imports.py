"""The house plan, held against the code."""

import ast
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("pipelines", "simulator", "serving", "flows", "benchmarks", "drills", "oddsmith")

ONLY_IN = {
    "tensorflow": ("pipelines/forecast/",),
    "keras": ("pipelines/forecast/", "pipelines/package/"),
    "torch": ("pipelines/agent/", "pipelines/news/finbert.py", "benchmarks/tone/train.py"),
    "stable_baselines3": ("pipelines/agent/",),
    "sb3_contrib": ("pipelines/agent/",),
    "numba": ("pipelines/trading/compiled.py", "pipelines/features/state_space_batch.py"),
    "great_expectations": ("pipelines/validate/",),
    "evidently": ("pipelines/drift/",),
    "prefect": ("flows/",),
    "mlflow": ("flows/tracking.py",),
    "bentoml": ("serving/",),
    "py_clob_client": ("pipelines/venue/",),
    "py_clob_client_v2": ("pipelines/venue/",),
    "boto3": ("flows/",),
}
"""Where a library may be imported. Benchmarks and the packaging of peers are free."""

HEAVY = ("tensorflow", "keras", "torch", "stable_baselines3", "numba", "pandas", "mlflow", "prefect", "evidently")


@cache
def imports(path: Path) -> set[str]:
    """Top-level names that a file imports, at any depth of its code; a file is parsed once for all libraries."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            found.add(node.module.split(".")[0])
    return found


def files(*packages: str) -> list[Path]:
    """Python files of packages, relative to the root."""
    return [path.relative_to(ROOT) for package in packages for path in (ROOT / package).rglob("*.py")]


@pytest.mark.parametrize("library", sorted(ONLY_IN))
def test_a_library_stays_in_its_room(library):
    """Each heavy or venue-specific library is imported in one place alone."""
    strangers = [
        str(path)
        for path in files("pipelines", "simulator", "serving", "flows")
        if library in imports(ROOT / path) and not str(path).startswith(ONLY_IN[library])
    ]

    assert strangers == []


def test_one_module_places_orders():
    """gateway.place is called by serving/execution.py and nowhere else."""
    callers = []
    for path in files("pipelines", "serving", "flows"):
        for node in ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8"))):
            called = isinstance(node, ast.Attribute) and node.attr == "place"
            if called and isinstance(node.ctx, ast.Load) and "gateway" in ast.unparse(node.value):
                callers.append(str(path))

    assert set(callers) == {"serving/account/execution.py"}


def test_the_truth_is_read_in_benchmarks_and_tests_alone():
    """The generator's hidden state never reaches a model."""
    readers = [
        str(path)
        for path in files("pipelines", "serving", "flows")
        if "simulator" in imports(ROOT / path) or "markets.truth" in (ROOT / path).read_text(encoding="utf-8")
    ]

    assert readers == []


def test_the_live_process_is_light():
    """Importing the service loads nothing that trains, tracks or orchestrates."""
    script = f"import sys; import serving.service;print([name for name in {HEAVY!r} if name in sys.modules])"
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)

    assert result.returncode == 0, result.stderr
    assert result.stdout.strip().splitlines()[-1] == "[]"


def test_import_directions_hold():
    """import-linter's layers and walls are kept."""
    linter = Path(sys.executable).parent / "lint-imports"
    result = subprocess.run([linter], cwd=ROOT, capture_output=True, text=True, check=False)

    assert result.returncode == 0, result.stdout
