"""The venue's dead man's switch: resting orders live while the bot does, and no longer."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from serving_venue import KEY, ROOT, machine, simulator, until

from pipelines.core import params
from pipelines.core.errors import VenueForbidden, VenueUnavailable
from pipelines.core.settings import Settings
from pipelines.venue.clob_gateway import ClobGateway
from serving.dashboard.status import Status
from serving.safety.heartbeat import EVERY_S, SILENCE_S, Heartbeat
from serving.threads import Threads

OTHER_KEY = "0x" + "43" * 32
SWEEP_S = 5.0
"""How often the venue looks for keys that fell silent: orders go at most this much after `SILENCE_S`."""


class Ward:
    """A venue that accepts heartbeats while it is there, and an account that counts how often it is read anew."""

    def __init__(self) -> None:
        self.accepted = 0
        self.read = 0
        self.trouble: Exception | None = None

    def heartbeat(self) -> None:
        """Accept, or raise what is the trouble."""
        if self.trouble is not None:
            raise self.trouble
        self.accepted += 1

    def learn(self) -> None:
        """Read the account."""
        self.read += 1


@pytest.fixture
def ward() -> Ward:
    """A venue in good health."""
    return Ward()


@pytest.fixture
def status(tmp_path: Path) -> Status:
    """A picture without alarms."""
    return Status(Settings(var=tmp_path), params.read(ROOT / "params.yaml"))


@pytest.fixture
async def pulse(ward: Ward, status: Status) -> AsyncIterator[Heartbeat]:
    """A running heartbeat, ten times as fast as the venue asks: a busy machine must not look like silence."""
    threads = Threads()
    made = Heartbeat(ward, ward.learn, status, threads, EVERY_S / 10, SILENCE_S / 10)
    assert not made.accepted_lately, "nothing was sent yet"
    task = asyncio.create_task(made.run())
    yield made
    task.cancel()
    await asyncio.wait({task})
    await threads.close()


async def test_a_venue_that_hears_nothing_is_an_alarm_until_it_hears_again(
    ward: Ward, status: Status, pulse: Heartbeat
) -> None:
    """Refused beats are shown; after the silence buys stop, and the first beat that is heard reads the account."""
    await until(lambda: pulse.accepted_lately and ward.accepted >= 3, 20.0, "three beats are accepted")
    assert ward.read == 0

    ward.trouble = VenueUnavailable("away")
    await until(lambda: "nothing is bought" in status._alarms.get("heartbeat", ""), 20.0, "the silence is an alarm")
    assert not pulse.accepted_lately

    ward.trouble = None
    await until(
        lambda: pulse.accepted_lately and "heartbeat" not in status._alarms and ward.read > 0, 20.0, "a beat is heard"
    )
    assert ward.read == 1


async def test_a_venue_that_forbids_ends_the_session(ward: Ward, status: Status) -> None:
    """A blocked region is no trouble to wait out: the beat's error reaches the loop, which stops."""
    ward.trouble = VenueForbidden("403")
    threads = Threads()
    with pytest.raises(VenueForbidden):
        await Heartbeat(ward, ward.learn, status, threads).run()
    await threads.close()


@pytest.mark.nightly
@pytest.mark.slow
def test_the_orders_of_a_killed_bot_are_gone_within_the_documented_time(tmp_path: Path) -> None:
    """Of two bots with a resting order, kill -9 takes that of the one off the book in 15 seconds; that of the other
    outlives them while its bot lives."""
    with simulator() as venue, ExitStack() as children:
        killed = Resting(tmp_path / "killed", venue, KEY)
        children.callback(killed.kill)
        alive = Resting(tmp_path / "alive", venue, OTHER_KEY)
        children.callback(alive.kill)
        killed.await_order()
        alive.await_order()

        killed.kill()
        deadline = time.monotonic() + SILENCE_S + SWEEP_S + 1
        while killed.account.open_orders() and time.monotonic() < deadline:
            time.sleep(0.2)

        assert killed.account.open_orders() == []
        time.sleep(max(0.0, deadline - time.monotonic()))
        assert len(alive.account.open_orders()) == 1


class Resting:
    """A bot as a process with one order that rests, and its account as the venue shows it."""

    def __init__(self, folder: Path, venue: dict[str, str], key: str) -> None:
        environment = os.environ | venue | {
            "ODDSMITH_VAR": str(folder / "var"),
            "ODDSMITH_PRIVATE_KEY": key,
            "ODDSMITH_KILL_SWITCH": str(folder / "KILL"),
        }  # fmt: skip
        self._settings = machine(folder, venue, private_key=key)
        self._child = subprocess.Popen(
            [sys.executable, "-c", _RESTING, str(Path(__file__).parent)], env=environment, stdout=subprocess.PIPE
        )

    def await_order(self) -> None:
        """Wait until the order rests."""
        assert self._child.stdout is not None
        assert any(line == b"rests: live\n" for line in self._child.stdout)
        self.account = ClobGateway.connect(self._settings)
        assert len(self.account.open_orders()) == 1

    def kill(self) -> None:
        """kill -9."""
        self._child.kill()
        self._child.wait(timeout=10)


_RESTING = """
import asyncio, sys
sys.path.insert(0, sys.argv[1])
from pipelines.core.domain import Outcome, Side
from pipelines.core.orders import OrderIntent
from pipelines.core.settings import Settings
from serving_venue import bot, until
async def main():
    trader = bot(Settings())
    trader.start()
    await until(lambda: trader._guarded() and trader._session.feed.followed, 60, "the first heartbeat")
    market = next(iter(trader._session.feed.followed.values())).market
    price = market.tick_units
    rest = OrderIntent(
        market_id=market.market_id, token_id=market.token_yes, outcome=Outcome.YES, side=Side.BUY, price_units=price,
        shares_micro=500_000_000, tick_units=market.tick_units, neg_risk=market.neg_risk, version=market.version,
        reason="enter", ts_s=2**40,
    )
    sent = await trader._threads.in_account_thread(trader._lasting.account.execution.submit, rest)
    print("rests:", sent.order.state.value, flush=True)
    await asyncio.sleep(600)
asyncio.run(main())
"""
