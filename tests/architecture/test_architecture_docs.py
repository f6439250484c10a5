"""What people read is complete: every setting, target, stage and link."""

import re
from pathlib import Path
from typing import get_args

import pytest
import yaml
from prometheus_client.metrics import MetricWrapperBase

from flows.stage_tasks import stage_names
from pipelines.commands import STAGES
from pipelines.core.sections import Learner
from pipelines.core.settings import Settings
from serving import metrics

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


def test_every_environment_variable_is_in_the_example():
    """A setting that nobody can find does not exist."""
    example = (ROOT / ".env.example").read_text()
    variables = {f"ODDSMITH_{name.upper()}" for name in Settings.model_fields}

    assert {name for name in variables if name not in example} == set()


def test_every_make_target_says_what_it_does_and_stands_in_the_docs():
    """`make help` lists all targets, and each is mentioned in a page."""
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z-]+):", makefile, flags=re.M))
    described = set(re.findall(r"^([a-z-]+):.*## ", makefile, flags=re.M))
    text = "\n".join(page.read_text() for page in PAGES)

    assert described == targets
    assert {target for target in targets if f"make {target}" not in text} == set()


def test_every_metric_and_alert_stands_in_the_docs():
    """Who is woken at night finds the alert and what it counts on a page."""
    text = "\n".join(page.read_text() for page in PAGES)
    rules = yaml.safe_load((ROOT / "infra/monitoring/rules.yml").read_text())
    alerts = {rule["alert"] for group in rules["groups"] for rule in group["rules"] if "alert" in rule}
    own = {one._name for one in vars(metrics).values() if isinstance(one, MetricWrapperBase)}

    assert len(own) > 40
    assert {name for name in alerts | own if name not in text} == set()


def test_the_stages_of_dvc_and_of_the_command_line_are_the_same():
    """Every stage of dvc.yaml is a command, in the same order, and the other way round."""
    assert stage_names(ROOT / "dvc.yaml") == tuple(STAGES)


def test_dvc_names_parameters_that_exist():
    """A parameter that a stage depends on is a key or a section of params.yaml."""
    parameters = yaml.safe_load((ROOT / "params.yaml").read_text())
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
    missing = []
    for stage in stages.values():
        for name in stage.get("params", []):
            node = parameters
            for part in name.split("."):
                node = node.get(part) if isinstance(node, dict) else None
            if node is None:
                missing.append(name)

    assert missing == []


def test_every_parameter_of_a_section_belongs_to_a_stage_or_a_running_part():
    """No section of params.yaml is unused: code of some part reads it, or it is a learner that `agent` can name."""
    sections = set(yaml.safe_load((ROOT / "params.yaml").read_text()))
    learners = set(get_args(Learner))
    code = "\n".join(
        path.read_text()
        for package in ("pipelines", "serving", "flows", "simulator", "benchmarks", "drills", "oddsmith")
        for path in (ROOT / package).rglob("*.py")
        if path.name != "params.py"
    )

    assert learners <= sections
    assert {name for name in sections - learners if not re.search(rf"\.{name}_?\b", code)} == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_between_pages_lead_somewhere(page):
    """A relative link or picture points at a file that is there."""
    links = re.findall(r"\]\(([^)#\s]+)", page.read_text())
    broken = [link for link in links if "://" not in link and not (page.parent / link).exists()]

    assert broken == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_in_pages_exist(page):
    """`python -m x y` and `make x` in a page name modules and targets that are there."""
    text = page.read_text()
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.M))
    modules = set(re.findall(r"python -m ((?:pipelines|simulator|serving|flows|benchmarks|oddsmith)[\w.]*)", text))
    absent = {
        name
        for name in modules
        if not (ROOT / Path(*name.split("."))).with_suffix(".py").exists()
        and not (ROOT / Path(*name.split(".")) / "__main__.py").exists()
    }

    assert absent == set()
    assert set(re.findall(r"(?:`|^\s*)make ([a-z-]+)\b", text, flags=re.M)) <= targets
