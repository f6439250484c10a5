"""The suite does not look at what `make run` left in the checkout, and says so when a test does."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pipelines.core import products

ROOT = Path(__file__).parents[2]
PRODUCTS = (
    "data/raw/markets.parquet",
    "data/features/features.parquet",
    "data/features/scaler.json",
    "data/forecasts/forecasts.parquet",
    "data/window.json",
    "data/champion.json",
    "data/quarantine/markets.parquet",
    "models/forecaster/meta.json",
    "models/agent/meta.json",
    "models/choice/choice.json",
    "models/bundle/manifest.json",
    "reports/backtest.json",
    "reports/gate.json",
    "reports/parity.json",
    "var/champion.json",
    "var/journal.sqlite",
    "var/nights.jsonl",
    "var/run.json",
)
GARBAGE = b"misleading"
READERS = (
    "tests/code/pipelines/agent/test_agent_environment.py",
    "tests/code/pipelines/core/test_core_settings.py",
    "tests/code/flows/test_flows_params.py",
    "tests/code/drills/test_drills_world.py::test_the_command_answers_with_the_keys_of_its_page",
    "tests/code/benchmarks/test_benchmarks_evaluate.py::test_finished_strategies_are_not_run_again",
    "tests/serving/test_serving_choices.py",
    "tests/serving/test_serving_install.py::test_the_doctor_names_what_is_wrong",
)
PEEKING = '''"""A test that looks."""
import os
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("name", ["data/raw/markets.parquet", "models/bundle/manifest.json", "var/run.json"])
def test_reads(name):
    (ROOT / name).read_bytes()


def test_hides_that_it_reads():
    try:
        list((ROOT / "data").iterdir())
    except RuntimeError:
        pass


def test_works_among_them():
    os.chdir(ROOT)


def test_writes():
    (ROOT / "reports" / "new.json").write_text("{}")


def test_leaves_something_to_the_next_test():
    Path("data").mkdir()


def test_minds_its_own_business(tmp_path):
    (tmp_path / "window.json").write_text("{}")
    assert not Path("data").exists()
'''


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the working tree in which every folder of products holds what no program can read."""
    folder = tmp_path_factory.mktemp("user") / "oddsmith"
    listing = ["git", "ls-files", "-coz", "--exclude-standard"]
    names = subprocess.run(listing, cwd=ROOT, capture_output=True, check=True).stdout.decode().split("\0")
    for name in filter(None, names):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    for name in PRODUCTS:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(GARBAGE)
    (folder / ".env").write_text("ODDSMITH_VAR=var\nODDSMITH_KILL_SWITCH=params.yaml\n")
    return folder


def suite(checkout: Path, *names: str) -> subprocess.CompletedProcess[str]:
    """pytest in the copy, on the code of the copy."""
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-m", "not slow", *names]
    environment = {**os.environ, "PYTHONPATH": str(checkout)}
    return subprocess.run(command, cwd=checkout, env=environment, capture_output=True, text=True, check=False)


def test_git_ignores_every_product() -> None:
    """No product of a stage is listed by git, which tells what code a measurement depends on."""
    named = {value for value in vars(products).values() if isinstance(value, Path)}
    paths = sorted({*map(str, named - {products.REPORTS}), *PRODUCTS})

    ignored = subprocess.run(["git", "check-ignore", *paths], cwd=ROOT, capture_output=True, text=True, check=False)

    assert ignored.stdout.splitlines() == paths


@pytest.mark.nightly
@pytest.mark.slow
def test_misleading_products_mislead_no_test(checkout: Path) -> None:
    """The tests of everything that reads products by default pass among unreadable ones, which stay as they were."""
    done = suite(checkout, *READERS)

    assert done.returncode == 0, done.stdout[-3000:]
    assert {(checkout / name).read_bytes() for name in PRODUCTS} == {GARBAGE}
    kept = {path for top in ("data", "models", "reports", "var") for path in (checkout / top).rglob("*")}
    assert {str(path.relative_to(checkout)) for path in kept if path.is_file() and path.name != ".gitignore"} == set(
        PRODUCTS
    )


@pytest.mark.slow
def test_a_test_that_looks_at_products_fails(checkout: Path) -> None:
    """Reading, writing or listing them, hidden or not, and leaving files to the next test fails the test that does."""
    (checkout / "tests/test_peeking.py").write_text(PEEKING)

    done = suite(checkout, "tests/test_peeking.py")

    failed = set(re.findall(r"^(?:FAILED|ERROR) tests/test_peeking\.py::(\w+)", done.stdout, flags=re.M))
    assert failed == {
        "test_reads",
        "test_hides_that_it_reads",
        "test_works_among_them",
        "test_writes",
        "test_leaves_something_to_the_next_test",
    }
    assert not (checkout / "reports/new.json").exists()
