"""The virtual world: one seed gives one history, and each invariant can fail."""

import json
import logging
import os
import subprocess
import sys
from dataclasses import replace

import pytest
import structlog

from drills import campaign, plans
from drills.clock import installed
from drills.forks import Forks
from drills.model import ClockPolicy
from drills.plan import Plan
from drills.playing import run
from oddsmith.__main__ import main
from pipelines import decide
from pipelines.core.domain import Direction
from pipelines.trading.policies import Target
from serving.account import journal, schema
from serving.account.accounting import Accounting
from serving.account.execution import Execution
from serving.account.trading_account import TradingAccount
from serving.turns.bar_turn import BarTurns
from serving.turns.order_sender import OrderSender


@pytest.fixture(autouse=True)
def _quiet():
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    yield
    structlog.reset_defaults()


def broken(plan):
    """Names of the invariants that a plan breaks."""
    return {one.invariant for one in run(plan).violations}


def test_a_seed_gives_one_history():
    """Two worlds of one plan agree in every event and its time; another seed gives another history."""
    plan = plans.pair(("ws_reorder", "slow"), 3)
    first, second = run(plan), run(plan)

    assert first.trace == second.trace
    assert first.trace != run(replace(plan, seed=4)).trace


def test_the_bot_trades_in_a_world_without_faults():
    """Orders are sent, matched, booked and closed, and every invariant holds."""
    report = run(Plan(1))

    assert report.violations == []
    assert report.orders >= 4
    assert report.trades >= 4


def test_the_clock_of_the_machine_is_given_back():
    """After a world `time` tells the machine's time again."""
    import time

    before = time.time
    run(Plan(1, bars=1))

    assert time.time is before


def test_the_virtual_clock_never_tells_a_moment_twice():
    """The order of bookings is read off nanoseconds, so two of them differ."""
    import time

    from drills.clock import Clock

    with installed(Clock()):
        assert time.time_ns() < time.time_ns()


# Each invariant can fail: a defect is planted in the bot


def test_a_fill_that_is_not_booked_is_found(monkeypatch):
    """Fills that the bot forgets are lost fills, and books that differ."""
    monkeypatch.setattr(Execution, "_booked_now", lambda self, fill: False)
    monkeypatch.setattr(TradingAccount, "_book_known", lambda self, fills: ([], []))

    assert {"lost fill", "ledger"} <= broken(Plan(1))


def test_a_fill_that_did_not_happen_is_found(monkeypatch):
    """A fill booked twice under two names is an invented one."""
    book = Accounting.book

    def twice(self, fill):
        done = book(self, fill)
        book(self, replace(fill, fill_id=f"{fill.fill_id}x"))
        return done

    monkeypatch.setattr(Accounting, "book", twice)
    monkeypatch.setattr(TradingAccount, "_book_known", lambda self, fills: ([], fills))
    monkeypatch.setattr(Execution, "take_back_missing", lambda self: 0)  # the bot's own repair finds it too

    assert "invented fill" in broken(Plan(1))


def test_an_order_that_is_sent_twice_is_found(monkeypatch):
    """Two orders of one decision are duplicate exposure, whether they rest or fill."""
    send = Execution.send

    def twice(self, intent):
        send(self, intent)
        return send(self, intent)

    monkeypatch.setattr(Execution, "send", twice)

    assert "duplicate exposure" in broken(Plan(1))
    assert "duplicate exposure" in broken(Plan(1, policy="maker"))


def test_a_maker_quotes_both_sides_in_a_world():
    """Two orders rest in a market, one on each side of its book, and every invariant holds."""
    report = run(Plan(1, policy="maker"))

    assert report.violations == []
    assert report.orders > run(Plan(1)).orders
    assert report.trades >= 2


def test_a_purchase_under_the_kill_switch_is_found(monkeypatch):
    """A bot that goes on buying after the switch was turned on breaks an invariant."""
    monkeypatch.setattr(decide, "_entry_refusal", lambda inputs, account, target, rules: None)
    monkeypatch.setattr(ClockPolicy, "target", lambda self, inputs, position, seen: Target(Direction.LONG, 0.5))

    assert "kill switch" in broken(Plan(1))


def test_an_order_that_was_not_journaled_is_found(monkeypatch):
    """An order at the venue that the journal does not know is duplicate exposure."""
    insert = journal.insert_once
    monkeypatch.setattr(journal, "insert_once", lambda db, table, row: table is schema.ORDERS or insert(db, table, row))

    assert "duplicate exposure" in broken(Plan(1))


def test_a_position_beyond_the_limit_is_found(monkeypatch):
    """A purchase of half of the equity breaks the limits."""
    monkeypatch.setattr(decide, "_budget", lambda inputs, account, target, rules: (account.equity_micro // 2, None))

    assert "limits" in broken(Plan(1))


def test_a_position_that_is_never_sold_is_found(monkeypatch):
    """A bot that sends no sale keeps positions that it should not have."""
    send = OrderSender._send
    buys = lambda self, account, intent: None if intent.side == "SELL" else send(self, account, intent)  # noqa: E731
    monkeypatch.setattr(OrderSender, "_send", buys)

    assert "exit" in broken(Plan(1))


def test_a_bot_that_stops_deciding_is_found(monkeypatch):
    """A loop that takes no more turns is not alive."""
    take, turns = BarTurns.take, []

    async def few(self, account, feed):
        turns.append(1)
        if len(turns) < 4:
            await take(self, account, feed)

    monkeypatch.setattr(BarTurns, "take", few)

    assert "alive" in broken(Plan(1))


# Deaths


@pytest.mark.parametrize("share", [0.1, 0.35, 0.6, 0.8])
def test_a_death_loses_and_doubles_nothing(share):
    """The bot is killed at an edge (a commit, a request, an answer), starts again, and every invariant holds."""
    plan = Plan(1)
    edge = int(run(plan).edges * share)
    report = run(replace(plan, dies_at=edge))

    assert report.died_at
    assert report.violations == []


# Campaigns


def test_a_shrunk_plan_still_fails_and_is_smaller(monkeypatch):
    """Shrinking leaves out every fault, option and bar that the failure does not need."""
    plan = replace(plans.crowd(1), dies_at=7)

    def played(one):
        fails = any(event["fault"] == plan.events[3][1]["fault"] for _, event in one.events)
        return {"violations": [{"invariant": "x"}] if fails else []}

    monkeypatch.setattr(campaign, "play", played)
    small = campaign.shrunk({"plan": plan.document(), "violations": [{"invariant": "x"}]})

    assert [event["fault"] for _, event in small.events] == [plan.events[3][1]["fault"]]
    assert small.dies_at is None
    assert small.bars == 1


def test_a_plan_survives_its_document():
    """A schedule that was printed can be played again."""
    plan = replace(plans.pair(("lost_answer", "ws_drop"), 5), dies_at=3)

    assert Plan.of(json.loads(json.dumps(plan.document()))) == plan


def test_a_campaign_goes_on_where_it_stopped(tmp_path, monkeypatch):
    """Schedules of the state file are not played again, and a line that was cut is."""
    path, asked = tmp_path / "played.jsonl", [Plan(1, bars=1), Plan(2, bars=1)]
    monkeypatch.setattr(campaign, "_all", lambda wanted, workers: (campaign.play(one) for one in wanted))
    campaign.run(asked[:1], 1, path)
    path.write_text(path.read_text() + '{"plan": {"seed"')

    assert campaign.run(asked, 1, path).schedules == 2


def test_the_command_answers_with_the_keys_of_its_page(in_clone, capsys, monkeypatch):
    """`oddsmith drill --json` prints one document with five keys."""
    monkeypatch.setattr(campaign, "_all", lambda wanted, workers: (campaign.play(one) for one in wanted))
    assert main(["drill", "--seeds", "1", "--faults", "reward", "ws_drop", "--json"]) == 0

    found = json.loads(capsys.readouterr().out)
    assert list(found) == ["schedules", "violations", "faults", "pairs", "market_minutes_per_s"]
    assert (found["schedules"], found["faults"], found["pairs"]) == (3, 2, 1)
    assert found["violations"] == 0


COPIED = """
import json, sys
from dataclasses import replace
from pathlib import Path
from drills import campaign, playing
from drills.plan import Plan

campaign.quiet()
path, plan = Path("rows.jsonl"), Plan(4)
deaths = campaign.Deaths(plan, 39)
rows = campaign.play_deaths(deaths, set(), 2, path)
known = campaign._played(path)
alone = [campaign.play(Plan.of(row["plan"])) for row in rows]
took = ("took_s", "cpu_s")
left = [{name: row[name] for name in row if name not in took} for row in rows]
again = [{name: row[name] for name in row if name not in took} for row in alone]
missing = dict(list(known.items())[:2])
resumed = campaign.play_deaths(deaths, set(missing), 2, None)
print(json.dumps({"equal": left == again, "died": [row["died_at"] for row in rows], "edges": rows[-1]["edges"],
    "kept": len(known), "complete": campaign._is_complete(deaths, campaign._done(deaths, known)),
    "incomplete": campaign._is_complete(deaths, campaign._done(deaths, missing)), "resumed": len(resumed),
    "cpu": min(row["cpu_s"] for row in rows)}))
"""


def test_a_copy_at_an_edge_plays_what_a_plan_that_dies_there_plays(tmp_path):
    """Deaths in copies of one process have the rows of deaths that are played alone (at the last edge the kill switch
    is turned on while the bot is dead), and whatever was finished before is not played again."""
    environment = {**os.environ, "PYTHONHASHSEED": "0"}
    done = subprocess.run(
        [sys.executable, "-c", COPIED], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2_000:]
    found = json.loads(done.stdout.splitlines()[-1])
    copies = 1 + (found["edges"] - 1) // 39
    assert found["equal"]
    assert len(found["died"]) == found["kept"] == copies + 1
    assert [died for died in found["died"] if not died] == [""]
    assert (found["complete"], found["incomplete"], found["resumed"]) == (True, False, copies + 1 - 2)
    assert found["cpu"] > 0.0


def test_a_copy_that_ends_without_a_row_is_an_error(tmp_path):
    """A world that crashed in its copy is not taken for one in which nothing broke."""
    forks = Forks(lambda edge: True, lambda row: None)
    (tmp_path / "world").mkdir()
    if forks.split(1, tmp_path / "world"):
        os._exit(9)
    with pytest.raises(RuntimeError, match="without a row"):
        forks.end({})
