"""The whole loop against a real simulator process: it trades, it stops, it survives."""

import asyncio
import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from message_receiver import receiver
from pydantic import SecretStr
from serving_venue import KEY, ROOT, bot, machine, promote, simulator, until

from benchmarks import tiny_bundle
from pipelines.core.artifacts import write_json
from pipelines.core.errors import AlreadyRunning, SettingError
from pipelines.core.params import read
from pipelines.core.settings import Mode, Settings
from pipelines.history import journal_reader as reading
from pipelines.parity import decisions
from pipelines.parity.stage import bundles, of_bundle
from pipelines.venue.clob_gateway import ClobGateway
from serving.account.database import default_url
from serving.account.journal import Journal
from serving.account.trading_account import TradingAccount
from serving.bot import Bot
from serving.session import connections

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def venue() -> Iterator[dict[str, str]]:
    """One simulator for all tests of this module."""
    with simulator() as environment:
        yield environment


async def test_the_bot_trades_and_its_ledger_equals_the_venue(venue: dict[str, str], tmp_path: Path) -> None:
    """Orders are placed and matched, cash and every token equal the venue's account to the base unit, and every
    decision comes out the same when the journal is replayed afterwards."""
    settings = machine(tmp_path, venue)
    promote(tmp_path)
    trader = bot(settings)
    trader.start()
    try:
        await until(lambda: trader.state(whole=False)["orders"]["matched"] >= 2, 60, "two matched orders")
        await until(lambda: trader.state(whole=False)["ledger_equals_venue"] is True, 20, "a comparison")
        await until(lambda: trader.state(whole=False)["decisions"] >= 100, 30, "some bars with positions")
        state = trader.state(whole=True)

        assert trader.ready
        assert state["armed"]
        assert state["policy"] == "threshold"
        assert state["decisions"] > 0
        assert state["fills"]
        assert len(trader.equity()) >= 2
    finally:
        await trader.stop()

    assert not trader.ready
    assert _close_account(settings) == ("stopped", "True")
    replayed = _replayed(settings)
    assert replayed["bars"] > 2
    assert replayed["decisions"] > 0
    assert (replayed["different"], replayed["not_replayed"]) == (0, 0), replayed["differences"]


@pytest.mark.nightly
async def test_a_reward_of_the_last_second_is_booked_at_the_stop(tmp_path: Path) -> None:
    """Cash that the venue paid a moment before the bot was told to stop is booked under its name, so that the bot ends
    with books that equal the account."""
    with simulator(more="--admin") as venue:
        settings = machine(tmp_path, venue)
        promote(tmp_path)
        trader = bot(settings)
        trader.start()
        try:
            await until(lambda: trader.state(whole=False)["orders"]["matched"] >= 1, 60, "a matched order")
            paid = httpx2.post(f"{settings.clob_url}/admin/faults", json={"fault": "reward", "micro": 1_234_567})
            paid.raise_for_status()
        finally:
            await trader.stop()

    assert _close_account(settings) == ("stopped", "True")
    with sqlite3.connect(settings.var / "journal.sqlite") as db:
        booked = db.execute("select cash_micro from cash_flows where kind = 'REWARD'").fetchall()
    assert booked == [(1_234_567,)]


@pytest.mark.nightly
async def test_an_unapproved_bundle_orders_nothing_until_it_is_approved(venue: dict[str, str], tmp_path: Path) -> None:
    """A held champion decides bar after bar and places no order; the promotion of the same bundle arms it at the next
    bar, and its withdrawal lets it only close what it holds."""
    settings = machine(tmp_path, venue)
    made = promote(tmp_path)
    bundle = settings.var / "bento" / "bentos" / "oddsmith" / made[:12] / "src" / "bundle"
    tiny_bundle.approve(bundle, said="hold")
    trader = bot(settings)
    trader.start()
    try:
        await until(lambda: trader.state(whole=False)["decided_bars"] >= 6, 90, "six bars of a held bundle")
        held = trader.state(whole=True)
        tiny_bundle.approve(bundle)
        await until(lambda: bool(trader.state(whole=False)["positions"]), 90, "a position of the promoted bundle")
        line = {"event": "rolled_back", "hash": "ab" * 32, "withdrawn": made, "reason": "loses money"}
        (settings.var / "champions.jsonl").write_text(json.dumps(line) + "\n")
        await until(lambda: not trader.state(whole=False)["armed"], 60, "the withdrawal")
        await until(lambda: not trader.state(whole=False)["positions"], 120, "the end of its positions")
        withdrawn = trader.state(whole=True)
    finally:
        await trader.stop()

    assert (held["armed"], held["sells"], held["orders"]["placed"]) == (False, False, 0)
    assert any(row["acting"] and not row["armed"] for row in held["recent_decisions"])
    assert "the gate said hold" in held["cash_reason"]
    assert (withdrawn["armed"], withdrawn["sells"]) == (False, True)
    assert "rolled back: loses money" in withdrawn["cash_reason"]


def _replayed(settings: Settings) -> dict[str, Any]:
    """What `make parity` counts in the journal of a bot that has stopped."""
    today = read(ROOT / "params.yaml")
    read_back = reading.JournalReader(reading.url(settings), {}, 24.0, today)
    known = {bundle.hash: of_bundle(bundle, today) for bundle in bundles(settings.var)}
    return decisions.decisions(read_back.bars(), known)[0]


def _close_account(settings: Settings) -> tuple[str, str]:
    journal = Journal(settings.journal_url or default_url(settings.var), "simulated")
    try:
        with journal._engine.connect() as db:
            row = db.exec_driver_sql("select ended_ms is not null from sessions order by id desc").fetchone()
        return "stopped", str(bool(row and row[0]))
    finally:
        journal.close()


@pytest.mark.nightly
async def test_whatever_the_venue_does_the_ledger_is_right_in_the_end(tmp_path: Path) -> None:
    """Lost answers, trades that fail to settle, dropped, doubled and shuffled streams: no order twice, books equal."""
    events = [
        {"at_s": 4, "fault": "lost_answer", "count": 1, "hold_s": 6},
        {"at_s": 10, "fault": "settlement_fails", "probability": 0.5, "for_s": 8},
        {"at_s": 13, "fault": "ws_drop", "for_s": 1},
        {"at_s": 15, "fault": "ws_duplicate", "for_s": 3},
        {"at_s": 18, "fault": "ws_reorder", "for_s": 3},
    ]
    write_json(tmp_path / "faults.json", {"seed": 3, "events": events})
    with simulator(speed=120, faults=tmp_path / "faults.json") as environment:
        promote(tmp_path, pull=2.0)
        trader = bot(machine(tmp_path, environment))
        trader.start()
        try:
            await asyncio.sleep(22)
            await trader.kill(True)
            await until(lambda: not trader.state(whole=False)["positions"], 40, "the sale of every position")
            assert trader._lasting is not None
            account = trader._lasting.account
            await asyncio.sleep(2)
            rows = account.journal.orders()

            assert await trader._threads.in_account_thread(account.differences) == []
            assert len({row.order_id for row in rows}) == len(rows) > 0
        finally:
            await trader.stop()


async def test_paper_trading_uses_the_same_loop(venue: dict[str, str], tmp_path: Path) -> None:
    """In paper mode the venue's market data meets fills of our own, and no order reaches the venue."""
    settings = machine(tmp_path, venue, mode=Mode.PAPER)
    promote(tmp_path, source="polymarket")
    trader = bot(settings)
    trader.start()
    try:
        await until(lambda: trader.state(whole=False)["orders"]["matched"] >= 1, 60, "a matched paper order")
        await until(lambda: trader.state(whole=False)["ledger_equals_venue"] is True, 20, "a comparison")

        assert trader.state(whole=False)["account"]["address"] == "paper"
    finally:
        await trader.stop()


@pytest.mark.nightly
async def test_paper_orders_rest_and_the_account_outlives_a_restart(venue: dict[str, str], tmp_path: Path) -> None:
    """With `execution.entry: rest` paper buys wait and are filled by the bars' volume; the next start finds the account
    as it was, with nothing to adopt."""
    settings = machine(tmp_path, venue, mode=Mode.PAPER)
    promote(tmp_path, pull=2.0, source="polymarket")
    params = read(ROOT / "params.yaml")
    rests = params.execution.model_copy(update={"entry": "rest", "order_ttl_bars": 6, "queue": "optimistic"})
    first = Bot(settings, params.model_copy(update={"execution": rests}))
    first.start()
    try:
        await until(lambda: _rested(first), 60, "the fill of a resting order")
    finally:
        await first.stop()
    assert first._lasting is not None
    before = first._lasting.account
    left = before.accounting.cash_micro, before.accounting.tokens()

    second = Bot(settings, params)
    async with connections(settings, params) as opened:
        account = (await second._open_account(opened)).account
    try:
        assert (account.accounting.cash_micro, account.accounting.tokens()) == left
        assert account.differences() == []
        assert "reconciled" not in second.status._alarms
    finally:
        await second.stop()


def _rested(trader: Bot) -> bool:
    """Whether a maker's fill is booked."""
    return trader._lasting is not None and any(
        one.fill.fill_id.endswith("-rest") and one.fill.fee_micro == 0
        for one in trader._lasting.account.journal.fills()
    )


async def test_without_a_champion_nothing_is_ordered(venue: dict[str, str], tmp_path: Path) -> None:
    """In cash the bot follows the markets, is shown with its reason and without an alarm, and orders nothing."""
    trader = bot(machine(tmp_path, venue))
    trader.start()
    try:
        await until(lambda: len(trader.state(whole=False)["markets"]) > 5, 30, "markets")
        state = trader.state(whole=False)

        assert not state["armed"]
        assert state["orders"]["placed"] == 0
        assert "no model" in state["cash_reason"]
        # A busy machine may leave out a bar, and says so until the next one.
        await until(lambda: trader.state(whole=False)["alarms"] == [], 30, "no alarm")
    finally:
        await trader.stop()


async def test_a_new_champion_is_taken_over_between_two_bars(venue: dict[str, str], tmp_path: Path) -> None:
    """The hash changes while the bot runs; account, positions and windows stay."""
    settings = machine(tmp_path, venue)
    first = promote(tmp_path, pull=1.2)
    trader = bot(settings)
    trader.start()
    try:
        await until(lambda: trader.state(whole=False)["orders"]["matched"] >= 1, 60, "a matched order")
        before = trader.state(whole=False)["account"]["address"]
        second = promote(tmp_path, pull=0.0, kind="cash")
        await until(lambda: trader.state(whole=False)["model"]["bundle"] == second, 20, "the new bundle")
        bars = trader.status.decided_bars
        await until(lambda: trader.status.decided_bars > bars, 20, "a bar after the swap")

        assert first != second
        assert before == trader.state(whole=False)["account"]["address"]
        assert trader.state(whole=False)["policy"] == "cash"
        with trader._journal._engine.connect() as db:
            noted = db.exec_driver_sql("select bundle, document from rules order by wall_ms").fetchall()
        assert [bundle for bundle, _ in noted] == [first, second]
        assert json.loads(noted[0][1])["risk"] == trader._params.risk.model_dump(mode="json")
    finally:
        await trader.stop()


async def test_the_kill_switch_closes_everything(venue: dict[str, str], tmp_path: Path) -> None:
    """After the switch nothing is opened and what is held is sold; lifted, trading goes on. People are told of the
    start, of each fill with a link to its market, of the switch, and of the end with the state of the books."""
    with receiver() as caught:
        links = {"messages": SecretStr(caught.address), "page_url": "http://bot.example"}
        trader = bot(machine(tmp_path, venue, **links))
        promote(tmp_path)
        trader.start()
        try:
            await until(lambda: bool(trader.state(whole=False)["positions"]), 60, "a position")
            await trader.kill(True)
            await until(lambda: not trader.state(whole=False)["positions"], 60, "the sale of every position")

            assert trader.state(whole=False)["kill"]
            await trader.kill(False)
            assert not trader.state(whole=False)["kill"]
        finally:
            await trader.stop()

        told = "\n".join(one["message"] for one in caught.messages)
        for words in ("start: mode simulated", "fill: bought", "http://bot.example/market/0x", "fill: sold"):
            assert words in told
        assert "kill switch: on" in told
        assert "kill switch: off" in told
        assert "books equal the venue's account" in told


def test_killed_at_any_moment_the_ledger_is_right_after_a_restart(venue: dict[str, str], tmp_path: Path) -> None:
    """After kill -9 while trading, the next start books what happened and equals the venue to the base unit."""
    promote(tmp_path)
    environment = os.environ | venue | {
        "ODDSMITH_VAR": str(tmp_path / "var"),
        "ODDSMITH_PRIVATE_KEY": KEY,
        "ODDSMITH_KILL_SWITCH": str(tmp_path / "KILL"),
    }  # fmt: skip
    for matched in (1, 2):
        child = [sys.executable, "-c", _CHILD, str(matched), str(Path(__file__).parent)]
        assert subprocess.run(child, env=environment, check=False, timeout=100).returncode == -signal.SIGKILL

    settings = machine(tmp_path, venue, private_key=KEY)
    journal = Journal(default_url(settings.var), "simulated")
    account = TradingAccount(ClobGateway.connect(settings), journal)
    notes = account.reconcile()

    assert notes == []
    assert account.differences() == []
    assert journal.order_counts()["matched"] > 0
    orders = journal.orders()
    assert len({order.order_id for order in orders}) == len(orders)
    journal.close()


_CHILD = """
import asyncio, os, signal, sys
sys.path.insert(0, sys.argv[2])
from serving_venue import bot
from pipelines.core.settings import Settings
async def main():
    trader = bot(Settings())
    trader.start()
    def orders(state):
        return trader._journal.order_counts().get(state, 0)
    async def until(condition):
        while not condition():
            await asyncio.sleep(0.001)
    await until(lambda: orders("matched") >= int(sys.argv[1]))
    placed = sum(trader._journal.order_counts().values())
    await until(lambda: sum(trader._journal.order_counts().values()) > placed)
    os.kill(os.getpid(), signal.SIGKILL)
asyncio.run(main())
"""


def test_live_needs_the_word_and_the_key(tmp_path: Path) -> None:
    """Real orders are refused without ODDSMITH_LIVE=yes and a key, each named, before anything is opened."""
    with pytest.raises(SettingError, match=r"ODDSMITH_LIVE=yes .* and ODDSMITH_PRIVATE_KEY"):
        bot(Settings(var=tmp_path, mode=Mode.LIVE))


async def test_a_second_bot_is_refused_while_one_trades(venue: dict[str, str], tmp_path: Path) -> None:
    """Two loops never share a journal."""
    settings = machine(tmp_path, venue)
    trader = bot(settings)
    try:
        with pytest.raises(AlreadyRunning):
            bot(settings)
    finally:
        await trader.stop()


async def test_a_venue_that_is_away_is_waited_for(tmp_path: Path) -> None:
    """Without a venue the bot stays up, says what is wrong, and is not ready."""
    away = "http://127.0.0.1:9"
    trader = bot(Settings(var=tmp_path, clob_url=away, gamma_url=away, data_url=away, clob_ws_url="ws://127.0.0.1:9"))
    trader.start()
    try:
        await asyncio.sleep(0.5)

        assert trader.alive
        assert not trader.ready
    finally:
        await trader.stop()
