"""The live process keeps its files in rooms, and a name has one meaning."""

import ast
from collections import Counter
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).parents[2]
SERVING = ROOT / "serving"


def test_the_root_of_serving_stays_small():
    """serving/ has at most twenty entries: what grows goes into a room."""
    entries = [path.name for path in SERVING.iterdir() if path.name != "__pycache__"]

    assert len(entries) <= 20, sorted(entries)


def test_no_file_or_class_of_serving_has_two_meanings():
    """Within serving every module's file name and every class name exists once."""
    modules = [path for path in SERVING.rglob("*.py") if path.name != "__init__.py"]
    files = Counter(path.name for path in modules)
    classes = Counter(
        node.name
        for path in modules
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef)
    )

    assert [name for name, count in (files + classes).items() if count > 1] == []


def test_every_part_of_the_bento_is_what_serving_imports():
    """The bento holds each module of pipelines that the live process imports, and none that it does not."""
    from serving.install import PARTS

    graph = grimp.build_graph("serving", "pipelines", cache_dir=None)
    used = {
        f"{name.replace('.', '/')}.py" if (ROOT / f"{name.replace('.', '/')}.py").exists() else name.replace(".", "/")
        for module in graph.modules
        if module.startswith("serving")
        for name in graph.find_upstream_modules(module)
        if name.startswith("pipelines.")
    }
    parts = [part for part in PARTS if part.startswith("pipelines/") and part != "pipelines/__init__.py"]

    assert {name for name in used if not any(name == part or name.startswith(f"{part}/") for part in parts)} == set()
    assert [part for part in parts if not any(name == part or name.startswith(f"{part}/") for name in used)] == []


def test_imports_of_serving_have_no_circle():
    """No module of serving imports itself by way of others."""
    graph = grimp.build_graph("serving", cache_dir=None)
    circles = [name for name in graph.modules if name in graph.find_upstream_modules(name)]

    assert circles == []


LAYERS = {
    "stages": [
        *("pull", "validate", "featurize", "forecast", "agent", "backtest", "package", "gate"),
        *("parity", "drift", "costs", "export"),
    ],
    "replay": ["replay", "rows"],
    "inference": ["inference"],
    "trading": ["trading"],
    "venue, news, features": ["venue", "news", "features"],
    "core": ["core"],
}
SAME_MEANING = {"Checkpoint", "Parameters"}
"""Classes that several modules of a layer have with one meaning: the state of a training, a policy's parameters."""


@pytest.mark.parametrize("layer", LAYERS)
def test_a_class_name_has_one_meaning_in_a_layer_of_pipelines(layer):
    """Two modules of one layer do not name different things alike."""
    assert _repeated(path for room in LAYERS[layer] for path in (ROOT / "pipelines" / room).rglob("*.py")) == []


@pytest.mark.parametrize("package", ["serving", "flows", "simulator", "benchmarks", "drills", "oddsmith"])
def test_a_class_name_has_one_meaning_in_a_package(package):
    """Two modules of one package do not name different things alike."""
    assert _repeated((ROOT / package).rglob("*.py")) == []


def _repeated(paths):
    classes = Counter(
        node.name
        for path in paths
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef)
    )
    return sorted(name for name, count in classes.items() if count > 1 and name not in SAME_MEANING)
