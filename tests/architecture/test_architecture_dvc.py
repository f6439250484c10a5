"""dvc.yaml names what the stages read: their code, and the products of the catalogue."""

from pathlib import Path

import grimp
import pytest
import yaml

from pipelines.core import products

ROOT = Path(__file__).parents[2]
STAGES = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]


@pytest.fixture(scope="module")
def graph():
    """Who imports whom in pipelines, imports inside functions included."""
    return grimp.build_graph("pipelines", cache_dir=None)


def code_of(graph, stage):
    """Files and folders of every module that a stage imports, itself included, relative to the root."""
    entry = f"pipelines.{stage}.stage"
    modules = graph.find_upstream_modules(entry) | {entry}
    files = {f"{name.replace('.', '/')}.py" for name in modules}
    packages = {f"{name.replace('.', '/')}/__init__.py" for name in modules}
    return {name for name in files | packages if (ROOT / name).is_file()}


def under(path, dependency):
    """Whether a file is a dependency or lies in it."""
    return path == dependency or path.startswith(f"{dependency}/")


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_depends_on_the_code_it_imports(graph, stage):
    """Each module of the import closure lies under a dependency of the stage: changed arithmetic runs it again."""
    code = [name for name in STAGES[stage]["deps"] if name.startswith("pipelines/")]
    missing = {name for name in code_of(graph, stage) if not any(under(name, one) for one in code)}

    assert missing - {"pipelines/__init__.py"} == set()


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_depends_on_no_code_it_does_not_import(graph, stage):
    """A code dependency that nothing of is imported would run a stage again for nothing."""
    code = [name for name in STAGES[stage]["deps"] if name.startswith("pipelines/")]
    used = code_of(graph, stage)

    assert [one for one in code if not any(under(name, one) for name in used)] == []


def test_every_output_is_in_the_catalogue_of_products():
    """What a stage writes lies at a path of pipelines/core/products.py, and nowhere else."""
    catalogue = {str(path) for path in vars(products).values() if isinstance(path, Path)}
    outputs = [out for stage in STAGES.values() for out in stage.get("outs", [])]

    assert [out for out in outputs if out not in catalogue and not out.startswith(f"{products.REPORTS}/")] == []
