"""A generated month is a journal that the bot's own reader understands, with books that agree."""

import asyncio
import json
import sqlite3
from pathlib import Path

import pytest

from benchmarks import dashboard, journal_month
from pipelines.core.params import read
from pipelines.core.settings import Settings
from pipelines.history.account import History

PARAMS = Path("params.yaml")
CHROMIUM = Path(dashboard.CHROMIUM)


@pytest.fixture(scope="module")
def month(tmp_path_factory):
    """A day of ten markets, of which the last hour was decided."""
    folder = tmp_path_factory.mktemp("generated") / "month"
    return folder, asyncio.run(journal_month.write(folder, days=1, markets=10, decided=60))


@pytest.mark.slow
def test_a_generated_month_holds_every_bar_and_its_books_agree(month):
    """Every bar is there once, the last hour with what was decided, and cash, trades and rewards add up."""
    folder, made = month
    history = History(Settings(_env_file=None, var=folder), read(PARAMS))
    with sqlite3.connect(folder / "journal.sqlite") as db:
        bars, decided = db.execute("SELECT count(*), sum(length(inputs) > 0) FROM bars").fetchone()
        differs = db.execute("SELECT count(*) FROM bars WHERE ledger_equals_venue = 0").fetchone()[0]

    assert (bars, decided, differs) == (made["bars"], 60, 0) == (1_440, 60, 0)
    summary = history.summary()
    assert summary["trades"] > 5
    assert summary["other_cash_pusd"] == {"reward": 3.0}
    history.close()


@pytest.mark.slow
def test_a_month_that_is_there_is_used_and_another_is_not_overwritten(month):
    """The same month costs nothing again; another one in the same folder is refused."""
    folder, made = month

    assert asyncio.run(journal_month.write(folder, days=1, markets=10, decided=60)) == made
    with pytest.raises(SystemExit, match="another journal"):
        asyncio.run(journal_month.write(folder, days=2, markets=10, decided=60))


@pytest.mark.slow
@pytest.mark.browser
@pytest.mark.skipif(not CHROMIUM.exists(), reason="Chromium is not installed (Debian package chromium)")
def test_the_measurement_sees_a_pane_that_shows_less_than_all_bars(month, monkeypatch):
    """At one width both pages are measured without an error of the page; a pane without its oldest bars is counted."""
    folder, _ = month
    monkeypatch.setattr(dashboard, "WIDTHS", (768,))
    monkeypatch.setattr(dashboard, "THEMES", ("light",))
    found = json.loads(json.dumps(asyncio.run(dashboard.measure(folder, 1, None))))

    assert [row["page"] for row in found["pages"]] == ["/", "/market/ID"]
    assert found["worst"]["errors"] == 0
    assert all(row["first_paint_ms"] > 0 and row["script_ms"] > 0 and row["panes"] for row in found["pages"])
    measured = dashboard.Measure(_Account(), 0, "", None)
    line = {"from": 120, "to": 240, "low": 2.0, "high": 4.0}
    lost = measured._lost({"pane": "chart", "points": 3, "lines": [line]}, "/")
    assert (lost["bars_lost"], lost["extremes_lost"]) == (2, 1)


class _Account:
    """Five bars of an account: 1 to 5 pUSD, but the highest in the middle."""

    account = journal = property(lambda self: self)

    def equity(self, _limit):
        return [(60 * bar, 1e6 * value) for bar, value in enumerate((1, 2, 3, 4, 2))]
