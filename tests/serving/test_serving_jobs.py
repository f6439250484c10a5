"""Jobs of docs/jobs that a running bot does, asked for by the commands of their pages."""

import threading
import time
from pathlib import Path

import pytest
from job_pages import commands, links_to_the_checkout, run
from serving_desk import Desk, FakeVenue

from pipelines.core.params import Params, read
from serving.account.controls import Controls
from serving.account.database import default_url
from serving.account.trading_account import TradingAccount


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A clone in which a bot has begun an account."""
    return links_to_the_checkout(tmp_path / "oddsmith")


def reloaded(folder: Path, lines: list[str]) -> tuple[Params, str]:
    """Change parameters by the first lines of a page, and ask a bot by the last one to take them over: its new
    parameters and its answer."""
    file, desk = folder / "params.yaml", Desk.open(FakeVenue(), default_url(folder / "var"))
    account = TradingAccount(FakeVenue(), desk.journal, read(file).risk)
    controls = Controls(desk.journal, read(file), lambda: file, lambda _text: None)
    *changes, reload = lines
    for line in changes:
        run(folder, line)
    said: list[str] = []
    asking = threading.Thread(target=lambda: said.append(run(folder, reload)))
    asking.start()
    limits = None
    while asking.is_alive() and limits is None:
        limits = controls.apply(account)
        time.sleep(0.05)
    asking.join()
    desk.journal.close()
    assert limits is not None
    return limits, said[0]


def test_change_limits_live(folder):
    """The new limits are asked for by the command, and the controls of a bot take them over and answer it."""
    limits, said = reloaded(folder, commands("change-limits-live"))

    assert (limits.risk.max_markets, limits.risk.stop_loss) == (3, 0.03)
    assert "max_markets" in said


def test_choose_markets(folder):
    """The page's patterns are those of a bot that runs, and say of which markets it follows none."""
    limits, said = reloaded(folder, commands("choose-markets"))

    assert "topic:politics" in limits.markets.allow
    assert limits.markets.deny
    assert "markets.allow" in said
