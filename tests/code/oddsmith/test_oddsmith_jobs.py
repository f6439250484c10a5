"""The pages of docs/jobs: at most three commands each, and a test runs them as they are written.

What needs a trained model is in tests/e2e/test_e2e_jobs.py, what needs a bot in tests/serving/test_serving_jobs.py.
"""

import csv
import re
import subprocess
from pathlib import Path

import pytest
from job_pages import ROOT, commands, links_to_the_checkout, run
from message_receiver import receiver
from trading_journal import a_month

from pipelines.core.settings import Settings

JOBS = sorted(path.stem for path in (ROOT / "docs/jobs").glob("*.md") if path.stem != "README")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A clone in which nothing has run."""
    return links_to_the_checkout(tmp_path / "oddsmith")


@pytest.mark.parametrize("job", JOBS)
def test_a_job_has_at_most_three_commands(job):
    """The first block of a job's page is what a user types, one command a line."""
    assert 1 <= len(commands(job)) <= 3


def test_every_job_is_listed_and_done_by_a_test():
    """A page of docs/jobs is in the list, in the site's navigation, and named by a test that does what it says."""
    listed = re.findall(r"\]\(([\w-]+)\.md\)", (ROOT / "docs/jobs/README.md").read_text())
    shown = re.findall(r"^ +- jobs/([a-z][\w-]+)\.md$", (ROOT / "mkdocs.yml").read_text(), flags=re.M)
    tests = "\n".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))

    assert sorted(listed) == sorted(shown) == JOBS
    assert {job for job in JOBS if f'commands("{job}")' not in tests} == set()


def test_yesterday_and_tax(folder):
    """P&L by day, the trades of a month, and the lots of a year, from the journal of an account that traded."""
    a_month(Settings(_env_file=None, var=folder / "var"))[0].close()
    days, trades, lots = commands("yesterday-and-tax")

    assert "2026-03-01" in run(folder, days)
    assert run(folder, trades).count("Will it be") > 20
    run(folder, lots)
    rows = list(csv.DictReader((folder / re.findall(r"> (\S+)$", lots)[0]).open()))
    assert len(rows) > 50
    assert all(row["method"].startswith("FIFO") for row in rows)


def test_a_message(folder):
    """The line of .env is written, and the test message arrives at a receiver that takes the place of the service."""
    write, send = commands("messages")

    with receiver() as caught:
        run(folder, write.replace("ntfys://ntfy.sh/YOUR-TOPIC", caught.address))
        said = run(folder, send)
        message = caught.wait()

    assert "oddsmith" in str(message)
    assert "1 json" in said


def test_a_server(tmp_path):
    """The clone has the script of the page, bash can read it, and the units that it enables are those of the status."""
    clone, setup, status = commands("server")
    run(tmp_path, clone.replace("REPOSITORY", str(ROOT)))
    script = tmp_path / setup.removeprefix("sudo bash ").split()[0]

    subprocess.run(["bash", "-n", str(script)], check=True)
    units = {path.name for path in (tmp_path / "oddsmith/infra/units").iterdir() if path.suffix == ".service"}
    assert len(units) > 5
    assert {name for name in units if not name.startswith(status.split("'")[1].rstrip("*"))} == set()
