"""A window of the venue is kept while it describes the venue's world, and only then."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import stamina

from pipelines.__main__ import main
from pipelines.core import params
from pipelines.pull import window

ROOT = Path(__file__).parents[2]


@pytest.fixture
def work(tmp_path: Path, venue: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty working directory that points at the standing venue."""
    (tmp_path / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    monkeypatch.chdir(tmp_path)
    for name in ("clob_url", "gamma_url", "data_url", "news_url"):
        monkeypatch.setenv(f"ODDSMITH_{name.upper()}", getattr(venue.settings, name))
    params.load.cache_clear()
    yield tmp_path
    params.load.cache_clear()


def alter(**changes: int) -> None:
    """Change the window on disk."""
    window.PATH.write_text(json.dumps(json.loads(window.PATH.read_text()) | changes))


def test_it_ends_at_the_venues_market_time(work: Path) -> None:
    """as_of is the newest book's time on the grid of bars, start is history_days earlier."""
    assert main(["window"]) == 0
    found = window.read()

    assert found.as_of_s == 1_767_225_600 + 86_400
    assert found.as_of_s - found.start_s == params.load().pull.history_days * 86_400


def test_it_is_kept_until_a_fresh_one_is_asked_for(work: Path) -> None:
    """An older window of the same world stays; --fresh advances it."""
    main(["window"])
    now_s = window.read().as_of_s
    alter(as_of_s=now_s - 600, start_s=window.read().start_s - 600)

    main(["window"])
    kept = window.read().as_of_s
    main(["window", "--fresh"])

    assert (kept, window.read().as_of_s) == (now_s - 600, now_s)


def test_another_world_or_length_gets_a_new_one(work: Path) -> None:
    """Market time that went back, or another history_days, makes the old window meaningless."""
    main(["window"])
    first = window.read()
    alter(as_of_s=first.as_of_s + 7_200, start_s=first.start_s + 7_200)
    main(["window"])
    assert window.read() == first

    alter(start_s=first.start_s + 86_400)
    main(["window"])
    assert window.read() == first


def test_a_venue_that_is_away_costs_no_window(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is there stays usable; a new one cannot be made, and says so in one line."""
    main(["window"])
    first = window.read()
    monkeypatch.setenv("ODDSMITH_GAMMA_URL", "http://127.0.0.1:9")
    stamina.set_testing(True)
    try:
        assert main(["window"]) == 0
        assert window.read() == first
        assert main(["window", "--fresh"]) == 69
        assert window.read() == first
    finally:
        stamina.set_testing(False)
