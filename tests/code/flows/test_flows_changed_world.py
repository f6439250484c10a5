"""Since when the world is another one: what drift reports say, and what the next windows read."""

from pathlib import Path

import pytest

from flows import changed_world


@pytest.fixture(autouse=True)
def var(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The records of a machine on which nothing has happened yet."""
    monkeypatch.setenv("ODDSMITH_VAR", str(tmp_path))
    return tmp_path


def report(
    verdict: str, bundle: str = "a", start_s: int | None = 1_000, *, lost: bool = True, behind: bool = False
) -> dict[str, object]:
    """A drift report."""
    found = {"skill": {"lost": lost}, "refit": {"behind": behind}}
    return {"verdict": verdict, "bundle": bundle, "start_s": start_s, **found}


def test_the_first_report_of_a_bundle_names_the_change() -> None:
    """Later reports of the same bundle move nothing; one of another bundle that drifts names another change."""
    assert changed_world.since_s() is None
    changed_world.note(report("drift"))
    changed_world.note(report("drift", start_s=2_000))
    assert changed_world.since_s() == 1_000
    changed_world.note(report("drift", "b", 3_000))
    assert changed_world.since_s() == 3_000


def test_features_that_moved_alone_shorten_no_window() -> None:
    """While the forecasts have their skill, what was learned before still holds."""
    changed_world.note(report("drift", lost=False))
    assert changed_world.since_s() is None


def test_a_forecast_that_lies_behind_a_refitted_filter_shortens_windows_too() -> None:
    """Skill that is as good as before is not enough where a filter of the recent bars finds more."""
    changed_world.note(report("drift", lost=False, behind=True))
    assert changed_world.since_s() == 1_000


def test_drift_that_ends_by_itself_takes_the_change_back() -> None:
    """A stable report of the bundle that drifted forgets it; one of the next champion, or too little data, does not."""
    changed_world.note(report("drift"))
    changed_world.note(report("too_little"))
    changed_world.note(report("stable", "b"))
    assert changed_world.since_s() == 1_000
    changed_world.note(report("stable"))
    assert changed_world.since_s() is None


def test_a_record_that_is_not_whole_says_nothing(var: Path) -> None:
    """A file that a person or a full disk cut short is no change, and the next drift writes it again."""
    (var / "changed.json").write_text('{"bundle": "a"')
    assert changed_world.since_s() is None
    changed_world.note(report("drift"))
    assert changed_world.since_s() == 1_000
