"""The recipes of docs/extending.md that add files: executed on a copy, with no other file touched."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

SOURCE = '''
"""Lines of a text file as headlines."""
from pathlib import Path

from pipelines.news.rss import Item


class Lines:
    def __init__(self, path):
        self.path = Path(path)

    async def read(self):
        return [Item(f"line/{n}", text, 60, 60, ()) for n, text in enumerate(self.path.read_text().splitlines())]


def source(client, url, poll_s):
    return Lines(url.removeprefix("file://"))
'''

READ = """
import asyncio
from pipelines.core.settings import Settings
from pipelines.news import sources

async def main():
    async with sources.opened(Settings()) as found:
        print([item.text for one in found for item in await one.read()])

asyncio.run(main())
"""

RULE = """
      - alert: CashIsGone
        expr: cash_usd < 1
        for: 1m
        labels: {severity: warning}
        annotations: {summary: "less than 1 pUSD is left"}
"""

CASE = """
  - name: a last cent alerts
    interval: 1m
    input_series: [{series: cash_usd, values: "0.5x5"}]
    alert_rule_test:
      - eval_time: 3m
        alertname: CashIsGone
        exp_alerts: [{exp_labels: {severity: warning}, exp_annotations: {summary: "less than 1 pUSD is left"}}]
"""


def test_a_headline_source_is_one_file(tmp_path):
    """A module in pipelines/news with a function `source` is read when its kind stands in the address."""
    shutil.copytree(ROOT / "pipelines", tmp_path / "pipelines", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "pipelines/news/lines.py").write_text(SOURCE)
    (tmp_path / "headlines.txt").write_text("Rain is likely\nSnow is not\n")

    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    environment["ODDSMITH_NEWS_URL"] = f"lines+file://{tmp_path}/headlines.txt"
    done = subprocess.run(
        [sys.executable, "-c", READ], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )

    assert done.stderr == ""
    assert done.stdout == "['Rain is likely', 'Snow is not']\n"


@pytest.mark.skipif(
    shutil.which("promtool") is None, reason="promtool is not installed (Debian: apt install prometheus)"
)
def test_an_alert_is_a_rule_and_its_case(tmp_path):
    """A rule appended to rules.yml and a case appended to rules_test.yml are checked by promtool and pass."""
    for name in ("rules.yml", "rules_test.yml"):
        shutil.copy2(ROOT / "infra/monitoring" / name, tmp_path)
    for name, text in (("rules.yml", RULE), ("rules_test.yml", CASE)):
        with (tmp_path / name).open("a") as stream:
            stream.write(text)

    done = subprocess.run(
        ["promtool", "test", "rules", "rules_test.yml"], cwd=tmp_path, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stdout + done.stderr
