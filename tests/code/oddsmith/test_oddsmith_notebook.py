"""What a notebook imports is cheap until it is asked for, and the example notebook runs from top to bottom."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

import oddsmith as om
from pipelines.core.errors import DataError

ROOT = Path(__file__).parents[3]
EXAMPLE = ROOT / "docs" / "notebooks" / "first-look.ipynb"


def test_the_import_loads_nothing_heavy():
    """`import oddsmith` brings no table, picture or replay with it; an unknown name is refused with those there are."""
    code = "import sys, oddsmith; print(sorted({'pandas', 'matplotlib', 'numpy', 'pipelines'} & set(sys.modules)))"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)

    assert out.stdout.strip() == "[]"
    with pytest.raises(AttributeError, match="plot_equity"):
        _ = om.plot_equities


def test_without_a_journal_the_tables_say_what_to_do(tmp_path, monkeypatch):
    """Trades and equity need the journal of a bot that has run."""
    monkeypatch.setenv("ODDSMITH_VAR", str(tmp_path))
    for load in (om.load_trades, om.load_equity):
        with pytest.raises(DataError, match="make run"):
            load()


@pytest.mark.nightly
@pytest.mark.slow
def test_the_example_notebook_runs_and_its_pictures_are_drawn(tmp_path, monkeypatch):
    """Every cell of the example runs in an empty folder with params.yaml, and each plot gives a picture."""
    shutil.copy2(ROOT / "params.yaml", tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.delenv("MPLBACKEND", raising=False)
    book = nbformat.read(EXAMPLE, as_version=4)
    plots = sum("om.plot_" in cell.source for cell in book.cells if cell.cell_type == "code")

    NotebookClient(book, timeout=600, resources={"metadata": {"path": str(tmp_path)}}).execute()

    outputs = [out for cell in book.cells if cell.cell_type == "code" for out in cell.outputs]
    assert sum("image/png" in out.get("data", {}) for out in outputs) == plots == 4
    assert (tmp_path / "var" / "backtests" / "strict" / "run.json").is_file()
