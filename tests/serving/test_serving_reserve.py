"""With a full disk what is held can still be sold: the journal has room that nothing else can take."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from serving_desk import FakeVenue, make_intent, make_market
from sqlalchemy.exc import OperationalError

from pipelines.core.domain import Side
from serving.account import reserve
from serving.account.database import default_url
from serving.account.journal import Journal
from serving.account.trading_account import TradingAccount

SIZE = 16 * 1024 * 1024
SALES = 300
MARKET = make_market()


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A real file system of 80 MB."""
    monkeypatch.setattr(reserve, "LOW", 512 * 1024)
    folder = tmp_path / "disk"
    folder.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=80m", "tmpfs", str(folder)], check=False)
    if made.returncode != 0:
        pytest.skip("mounting a file system needs root")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def fill_up(disk: Path, name: str) -> None:
    """Somebody writes until nothing is left."""
    with (disk / name).open("wb", buffering=0) as file:
        for block in (1 << 20, 1 << 12, 1):
            try:
                while True:
                    file.write(b"x" * block)
            except OSError:
                continue


def opened(disk: Path, kept: int) -> TradingAccount:
    """An account that holds 40,000 shares, on a journal with a reserve of so many bytes."""
    account = TradingAccount(FakeVenue(cash=10**12), Journal(default_url(disk), "simulated", reserve=kept))
    account.accounting.know(MARKET)
    account.execution.submit(make_intent(MARKET, shares=40_000))
    account.execution.sync()
    return account


def sell(account: TradingAccount, times: int) -> int:
    """Sell and book, as a turn does; how many sales were journaled before the journal could not be written."""
    for number in range(times):
        try:
            account.execution.submit(make_intent(MARKET, side=Side.SELL, ts_s=2_000 + number))
            account.execution.sync()
        except OperationalError:
            return number
    return times


def test_a_full_disk_lets_everything_be_sold(disk: Path) -> None:
    """The reserve becomes the journal's when the disk fills; a second flood takes nothing of it; hundreds of sales and
    their fills are journaled, books equal the venue's, and a start from that journal has the same."""
    account = opened(disk, SIZE)
    assert account.journal.reduce_only == ""
    fill_up(disk, "flood")
    account.journal.facts()
    assert "full" in account.journal.reduce_only
    fill_up(disk, "second flood")

    assert sell(account, SALES) == SALES
    assert account.differences() == []
    account.journal.close()
    again = TradingAccount(account.gateway, Journal(default_url(disk), "simulated", reserve=SIZE))
    assert again.differences() == []
    assert again.accounting.shares_micro(MARKET.token_yes) == (40_000 - 10 * SALES) * 1_000_000

    for name in ("flood", "second flood"):
        (disk / name).unlink()
    assert again.journal.reserve is not None
    again.journal.reserve.renew()
    assert again.journal.reduce_only == ""
    assert (disk / "journal.sqlite.reserve").stat().st_size == SIZE


def test_without_a_reserve_a_full_disk_ends_sales(disk: Path) -> None:
    """What the reserve is for: the same flood without one, and few sales can be journaled."""
    account = opened(disk, 0)
    fill_up(disk, "flood")

    assert sell(account, SALES) < SALES


def test_a_small_disk_is_not_filled_by_the_reserve(disk: Path) -> None:
    """Where less than four times its size is free nothing is kept back, and buying goes on."""
    account = opened(disk, 2 * SIZE)

    assert not (disk / "journal.sqlite.reserve").exists()
    assert account.journal.reduce_only == ""
