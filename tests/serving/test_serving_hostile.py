"""The bot on an exchange that does to its market data what the venue was reported to do."""

import asyncio
from pathlib import Path

import pytest
from serving_venue import bot, machine, promote, simulator, until

from pipelines.core.artifacts import write_json
from pipelines.core.domain import Side
from pipelines.venue.http import VenueHttp
from serving import session, upkeep
from serving.bot import Bot
from serving.safety import block

pytestmark = pytest.mark.slow

EVENTS = [
    {"at_s": 0, "fault": "gamma_odd", "probability": 0.1},
    {"at_s": 0, "fault": "gamma_duplicates"},
    {"at_s": 0, "fault": "history_nulls", "probability": 0.05},
    {"at_s": 0, "fault": "history_overlap"},
    {"at_s": 0, "fault": "resolution_unsaid"},
    {"at_s": 6, "fault": "odd_frames", "probability": 0.05, "for_s": 12},
    {"at_s": 7, "fault": "odd_stamps", "probability": 0.05, "for_s": 12},
    {"at_s": 8, "fault": "tick_missed"},
    {"at_s": 9, "fault": "token_silent", "for_s": 8},
    {"at_s": 10, "fault": "crossed_snapshot", "for_s": 4},
    {"at_s": 12, "fault": "empty_books", "for_s": 2},
    {"at_s": 15, "fault": "ws_drop", "for_s": 2},
    {"at_s": 18, "fault": "gamma_error", "for_s": 3},
    {"at_s": 19, "fault": "data_error", "for_s": 2},
]


@pytest.mark.nightly
async def test_bars_and_turns_go_on_whatever_the_market_data_are(tmp_path: Path) -> None:
    """Odd records, frames, stamps, silence, missed ticks, crossed and empty books, drops and errors of two hosts: no
    session ends, no bar stays away, and afterwards everything that is held can be sold and the books are right."""
    write_json(tmp_path / "faults.json", {"seed": 11, "events": EVENTS})
    with simulator(speed=120, faults=tmp_path / "faults.json") as environment:
        promote(tmp_path, pull=2.0)
        trader = bot(machine(tmp_path, environment))
        trader.start()
        try:
            await until(lambda: trader.status.decided_bars > 0, 60, "a decided bar")
            session = trader._session
            await asyncio.sleep(22)
            bars = trader.status.decided_bars
            await until(lambda: trader.status.decided_bars > bars + 2, 20, "bars after the faults")
            assert session is not None
            assert trader._session is session, trader.status._alarms
            assert session.feed.stream.unread.messages > 0
            assert session.feed.stream.unread.stamps > 0
            assert len(session.feed.followed) > 10
            assert not session.feed.late

            await trader.kill(True)
            await until(lambda: not trader.state(whole=False)["positions"], 40, "the sale of every position")
            await until(lambda: trader.state(whole=False)["ledger_equals_venue"] is True, 20, "equal books")
        finally:
            await trader.stop()


@pytest.mark.nightly
async def test_a_403_of_seconds_is_a_pause(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An edge page before every route for some seconds: not ready at once, nothing bought, the same session goes on,
    and trading begins again by itself."""
    monkeypatch.setattr(block, "QUIET_S", 4.0)
    for module in (session, upkeep):
        monkeypatch.setattr(module, "RETRY_S", 0.5)
    write_json(
        tmp_path / "faults.json", {"seed": 1, "events": [{"at_s": 14, "fault": "forbidden", "reads": 1, "for_s": 4}]}
    )
    with simulator(speed=120, faults=tmp_path / "faults.json") as environment:
        promote(tmp_path, pull=2.0)
        trader = bot(machine(tmp_path, environment))
        trader.start()
        try:
            await until(lambda: trader.ready, 60, "readiness")
            begun = trader._session
            await until(lambda: trader._block.active, 40, "a 403")
            assert not trader.ready
            assert not trader._guarded()
            await until(lambda: trader.ready, 40, "readiness again")
            orders = trader.state(whole=False)["orders"]["placed"]
            await until(lambda: trader.state(whole=False)["orders"]["placed"] > orders, 40, "an order after the block")
            assert trader.alive
            assert trader._session is begun
        finally:
            await trader.stop()


@pytest.mark.parametrize("route", ["/balance-allowance", "/data/"])
async def test_a_retired_route_of_the_account_keeps_no_position(tmp_path: Path, route: str) -> None:
    """Balances, or lists of orders and trades, that answer 410 for good stop every purchase and no exit: what is held
    is sold all the same."""
    with simulator(speed=120, more="--admin") as environment:
        promote(tmp_path, pull=2.0)
        trader = bot(machine(tmp_path, environment))
        trader.start()
        try:
            await until(lambda: bool(trader.state(whole=False)["positions"]), 90, "a position")
            async with VenueHttp(environment["ODDSMITH_CLOB_URL"]) as admin:
                await admin.query("/admin/faults", dict, {"fault": "route_retired", "route": route, "for_s": 300})
            await until(lambda: "410" in str(trader.status._alarms.get("turn")), 40, "an account that cannot be read")
            assert trader._lasting is not None
            bought = _purchases(trader)
            await trader.kill(True)
            await until(lambda: not trader.state(whole=False)["positions"], 60, "the sale of every position")
            assert _purchases(trader) == bought
        finally:
            await trader.stop()


def _purchases(trader: Bot) -> int:
    assert trader._lasting is not None
    return sum(row.side is Side.BUY for row in trader._lasting.account.journal.orders())
