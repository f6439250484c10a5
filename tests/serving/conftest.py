"""Fixtures of the bot's tests: a journal in a temporary folder and a desk on it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from serving_desk import Desk, FakeVenue

from serving.account.database import default_url


@pytest.fixture
def journal_url(tmp_path: Path) -> str:
    """A SQLite journal of its own."""
    return default_url(tmp_path)


@pytest.fixture
def desk(journal_url: str) -> Iterator[Desk]:
    """A desk at a venue that accepts everything."""
    made = Desk.open(FakeVenue(), journal_url)
    yield made
    made.journal.close()
