"""The simulated account goes on with the next run, unless it is asked to begin anew or the markets are others."""

from pathlib import Path

import pytest

from flows.local.screen import Screen
from flows.local.stack import Ports, Stack
from flows.local.up import _earned, earned_line
from pipelines.core.errors import SettingError
from pipelines.core.params import read
from pipelines.core.settings import Settings
from pipelines.venue.clob_gateway import _throw_away

PORTS = Ports(8_640, 3_000, 4_200, 5_000)


@pytest.fixture
def stack(tmp_path):
    """A stack whose exchange saved its state in the last run, and the key of that run."""
    made = Stack(tmp_path, read(Path("params.yaml")), PORTS, Screen())
    state = made.var / "simulator.json"
    state.write_text("{}")
    made._state_file = state.stat().st_ino
    (made.var / "simulated.key").write_text("0x" + "a" * 64)
    return made


def test_the_account_goes_on_with_the_next_run(stack):
    """Key and saved state are there: the same account trades on, and the service is told where its key is."""
    assert stack.keep_account(fresh=False)
    assert stack.environment()["ODDSMITH_SIMULATED_KEY"] == str(stack.var / "simulated.key")


def test_fresh_begins_a_new_account(stack):
    """A fresh run forgets the key, so that the service makes a new one."""
    assert not stack.keep_account(fresh=True)
    assert not (stack.var / "simulated.key").exists()


@pytest.mark.parametrize("suffix", ["other", "unreadable"])
def test_other_markets_begin_a_new_account(stack, suffix):
    """State that the exchange put aside keeps no account: the key of that account is forgotten, also when a new state
    was saved since."""
    (stack.var / "simulator.json").rename(stack.var / f"simulator.json.{suffix}")
    (stack.var / "simulator.json").write_text("{}")
    assert not stack.keep_account(fresh=False)


def test_an_old_put_aside_state_does_not_count(stack):
    """What an earlier run put aside says nothing about the state of the last one."""
    (stack.var / "simulator.json.other").write_text("{}")
    assert stack.keep_account(fresh=False)


def test_no_saved_state_begins_a_new_account(stack):
    """A key without the exchange's state would trade an account that the exchange does not know."""
    stack._state_file = None
    assert not stack.keep_account(fresh=False)


def test_the_key_is_made_once_and_is_its_owners_alone(tmp_path):
    """Two starts have the same account, a third without the file another; nobody else can read the file."""
    path = tmp_path / "var" / "simulated.key"
    kept = Settings(_env_file=None, simulated_key=path)
    first, second = _throw_away(kept), _throw_away(kept)

    assert first[0] == second[0]
    assert first[1].funder == second[1].funder
    assert path.stat().st_mode & 0o077 == 0
    assert _throw_away(Settings(_env_file=None))[0] != first[0]


def test_a_file_that_holds_no_key_is_refused(tmp_path):
    """A damaged file names itself and what to do, and shows nothing of its content."""
    path = tmp_path / "simulated.key"
    path.write_text("0xdead")
    with pytest.raises(SettingError, match="delete it"):
        _throw_away(Settings(_env_file=None, simulated_key=path))


def test_a_run_earned_what_its_equity_moved():
    """The first picture of a run is its start; what the account earned before is told apart."""
    account = {"equity": 10_200.0, "pnl": 200.0, "fees": 12.0, "closed_trades": 3, "win_rate": 2 / 3}
    first = _earned(account, None)
    last = _earned(account | {"equity": 10_150.5, "pnl": 150.5}, first)

    assert (first["pnl_pusd"], last["pnl_pusd"]) == (0.0, -49.5)
    assert earned_line(last).startswith("this run earned -49.50 pUSD (10,200.00 -> 10,150.50); the account +150.50")
