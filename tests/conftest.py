"""What every test may rely on: nothing is read from, or written to, the home of the person who runs the suite, or the
products in the folder that it is run from.

The suite works in an empty folder of its own, which holds the shipped params.yaml. Processes that tests start inherit
it. An access to data/, models/, reports/ or var/ of the checkout is an error where Python sees it."""

import atexit
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
_HOME = tempfile.mkdtemp(prefix="oddsmith-tests-")
atexit.register(shutil.rmtree, _HOME, ignore_errors=True)
WORK = Path(_HOME).resolve() / "work"
WORK.mkdir()
shutil.copy2(ROOT / "params.yaml", WORK)

# Prefect reads these when it is loaded, which the import of a test module may do: they are set before any of them.
os.environ |= {
    "PREFECT_HOME": f"{_HOME}/prefect",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
    "PREFECT_CLI_PROMPT": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "1",
    "GIT_PYTHON_REFRESH": "quiet",
    "HYPOTHESIS_STORAGE_DIRECTORY": str(ROOT / ".hypothesis"),
    # The code of this checkout runs in every process, wherever the environment's editable install points.
    "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])),
}
_recordings = os.environ.get("ODDSMITH_RECORDINGS", ROOT / "../shared/data")
for _name in [name for name in os.environ if name.startswith("ODDSMITH_")]:
    del os.environ[_name]
os.environ["ODDSMITH_RECORDINGS"] = str(Path(_recordings).resolve())
os.environ.pop("PREFECT_API_URL", None)
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

_PRODUCTS = tuple(str(ROOT / name) + os.sep for name in ("data", "models", "reports", "var"))
_ACCESSES = frozenset(
    {
        "open",
        "os.listdir",
        "os.scandir",
        "os.mkdir",
        "os.remove",
        "os.rename",
        "os.rmdir",
        "os.chdir",
        "sqlite3.connect",
    }
)
_touched: list[str] = []
_running: list[str] = []
"""The test that runs; pytest itself works in the folder that it was started in before and after."""


def _refuse_products(event: str, values: tuple[Any, ...]) -> None:
    """An audit hook: refuses to open or list what lies in a folder of products of the checkout."""
    if event not in _ACCESSES or not values or not isinstance(values[0], str | bytes | os.PathLike):
        return
    given = os.fsdecode(values[0])
    if os.sep not in given:
        return  # A bare name may count from an open folder: shutil.rmtree goes down a tree like that.
    path = os.path.abspath(given)  # noqa: PTH100
    # A relative path that is only asked for (exists, stat) raises no event; from the root it would find a product.
    if event == "os.chdir" and path == str(ROOT) and _running:
        _touched.append("chdir to the checkout")
        raise RuntimeError("a test must not work in the checkout; the fixture `clone` gives a folder without products")
    # Tests that copy the tracked files read the .gitignore that keeps an empty folder in git.
    if (path + os.sep).startswith(_PRODUCTS) and not path.endswith(".gitignore"):
        _touched.append(f"{event} {path}")
        raise RuntimeError(f"a test must not touch the products of the checkout: {event} {path}")


sys.addaudithook(_refuse_products)


@pytest.fixture(autouse=True)
def _own_products_only() -> Iterator[None]:
    """Fails a test that touched the checkout's products, or left something in the folder that all tests share."""
    yield
    touched, left = [*_touched], sorted(path.name for path in WORK.iterdir() if path.name != "params.yaml")
    _touched.clear()
    for name in left:
        shutil.rmtree(WORK / name) if (WORK / name).is_dir() else (WORK / name).unlink()
    assert not touched, f"the test touched the products of the checkout: {touched}"
    assert not left, f"the test wrote {left} into the working folder that all tests share; give it a tmp_path"


@pytest.fixture(scope="session")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with links to what a clone of the project has at its top, without products: to work in."""
    folder = tmp_path_factory.mktemp("clone")
    for entry in ROOT.iterdir():
        if entry.name not in {"data", "models", "reports", "var", ".git", ".env"}:
            (folder / entry.name).symlink_to(entry)
    return folder


@pytest.fixture
def in_clone(clone: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The test works in that folder, and the program takes it for its own clone."""
    monkeypatch.setattr("oddsmith.__main__.ROOT", clone)
    monkeypatch.chdir(clone)
    return clone


def pytest_configure(config: pytest.Config) -> None:
    """Into the empty folder, once pytest knows what it collects and before it imports a test module. The process that
    hands the tests to others stays: they read the configuration of the folder that they start in."""
    if not config.getoption("numprocesses", None):
        os.chdir(WORK)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Notes that a test runs, from the set-up of its fixtures on."""
    _running.append(item.nodeid)
    try:
        return (yield)
    finally:
        _running.clear()


@pytest.hookimpl(tryfirst=True)  # the worker reads the groups in the same hook
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Fast tests first: a broken rule shows within seconds. The tests of a file that are alike run in one process,
    so that what they share is made once; whole systems run one after the other, because they take the same ports."""
    kinds = {item: [item.get_closest_marker(name) is not None for name in ("e2e", "slow")] for item in items}
    items.sort(key=kinds.__getitem__)
    for item in items:
        whole_system, slow = kinds[item]
        group = "e2e" if whole_system else f"{item.path.stem}-{'slow' if slow else 'fast'}"
        item.add_marker(pytest.mark.xdist_group(group))
