"""Every kind of trouble that users of bots report has a test that exists."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_kind_names_tests_that_exist() -> None:
    """The page has 32 kinds in order, each with at least one test, and every test that it names is in the suite."""
    page = (ROOT / "docs" / "field-reports.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d+) \| .+? \| (.+) \|$", page, flags=re.MULTILINE)
    assert [int(number) for number, _ in rows] == list(range(1, 33))
    named = {name for _, cell in rows for name in re.findall(r"`(test_\w+)`", cell)}
    assert all("`test_" in cell for _, cell in rows)
    text = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    assert named - set(re.findall(r"def (test_\w+)\(", text)) == set()
