"""The saved state: accounts, orders and trades are restored completely, or the venue says why not."""

import dataclasses
import signal
import time

import httpx2
import msgspec
import pytest
from py_clob_client_v2.client import ClobClient
from py_clob_client_v2.clob_types import BalanceAllowanceParams, MarketOrderArgs, OrderArgs, OrderPayload
from py_clob_client_v2.exceptions import PolyApiException
from simulator_bench import listing
from simulator_site import Background, TinySource
from test_simulator_clients import client
from test_simulator_command import start

from pipelines.core.domain import Side
from pipelines.core.errors import ArtifactError
from pipelines.core.money import MICRO
from simulator.engine.audit import audit
from simulator.markets.source import SourceOptions
from simulator.venue.restore import restore
from simulator.venue.saved_state import SavedState, capture, read, write
from simulator.venue.venue import Venue

YES = listing(1).token_yes
CASH = BalanceAllowanceParams(asset_type="COLLATERAL")


@pytest.fixture
def used():
    """A venue with two traders: open orders, settled, unsettled and failed trades, rewards."""
    with Background(rewards_pusd=50.0, rebates=True) as site:
        buyer, maker = client(site, 300), client(site, 301)
        buyer.create_and_post_order(OrderArgs(token_id=YES, price=0.55, size=40, side="BUY"))
        maker.create_and_post_order(OrderArgs(token_id=YES, price=0.50, size=100, side="BUY"))
        site.step((Side.SELL, 4900, 30))
        site.settled()
        buyer.create_and_post_order(OrderArgs(token_id=YES, price=0.52, size=10, side="SELL"))
        late = int(time.time()) + 900
        buyer.post_order(buyer.create_order(OrderArgs(YES, 0.2, 10, "BUY", expiration=late)), "GTD")
        site.do(lambda: setattr(site.venue.settlement, "mined_after_s", 60.0))
        buyer.create_and_post_order(OrderArgs(token_id=YES, price=0.55, size=10, side="BUY"))
        yield site


def again(memory, now_s):
    """A fresh venue that was given a memory."""
    source = TinySource(now_s=now_s)
    venue = Venue(Background().options, source)
    restore(venue, memory)
    return venue


def test_nothing_is_forgotten(used):
    """A venue that restores a memory remembers the same, its books balance, and its time priority is kept."""
    memory = used.do(lambda: msgspec.json.decode(msgspec.json.encode(capture(used.venue)), type=SavedState))
    venue = again(memory, memory.market_time_s)
    assert msgspec.json.encode(capture(venue)) == msgspec.json.encode(memory)
    assert audit(venue.exchange) == []
    assert [o.order_id for o in venue.exchange.orders.values()] == memory.open_orders
    assert {trade.status for trade in venue.exchange.trades.values()} == {"CONFIRMED"}
    assert [o.expires_s for o in venue._expiries.values()] != []
    venue.open_quotes()
    assert audit(venue.exchange) == []


def test_a_market_that_ended_meanwhile_pays(used):
    """Shares of a market that the source has resolved are redeemed when the venue comes back."""
    memory = used.do(lambda: msgspec.json.decode(msgspec.json.encode(capture(used.venue)), type=SavedState))
    over = listing(4).token_yes
    holder = next(account for account in memory.accounts if not account.internal)
    holder.positions[over] = 5 * MICRO
    memory.accounts[0].positions[listing(4).token_no] = 5 * MICRO
    holder.cash_micro -= 5 * MICRO
    one = memory.markets[0]
    memory.markets.append(dataclasses.replace(one, market_id=listing(4).market_id, collateral_micro=5 * MICRO))
    venue = again(memory, memory.market_time_s)
    account = venue.exchange.accounts[holder.address]
    assert over not in account.positions
    assert account.cash_micro == holder.cash_micro + 5 * MICRO
    assert audit(venue.exchange) == []


@pytest.mark.parametrize(
    ("field", "value"), [("cash_micro", 1), ("positions", {YES: 10**9}), ("address", "0x" + "77" * 20)]
)
def test_books_that_do_not_balance_are_refused(used, field, value):
    """A document whose money, shares or names do not add up is refused with what is wrong and what to do."""
    memory = used.do(lambda: msgspec.json.decode(msgspec.json.encode(capture(used.venue)), type=SavedState))
    setattr(next(account for account in memory.accounts if not account.internal), field, value)
    with pytest.raises(ArtifactError, match=r"cannot be restored.*delete the --state file to start again"):
        again(memory, memory.market_time_s)


def test_state_of_another_seed(tmp_path):
    """A state of another seed is not used; one that cannot be read is put aside, not overwritten."""
    path, one, two = tmp_path / "state.json", SourceOptions(seed=1), SourceOptions(seed=2)
    assert read(path, one) is None
    path.write_text('{"seed": 2, "market_time_s": 5}')
    assert read(path, one) is None
    assert read(path, two).market_time_s == 5
    path.write_text('{"seed": 2, "market_time_s": "soon"}')
    assert read(path, two) is None
    assert (tmp_path / "state.json.unreadable").read_text().endswith('"soon"}')
    assert not path.exists()


def test_other_markets_of_the_seed(used, tmp_path):
    """Accounts are of no use among other markets: their file is put aside and only the market time is resumed."""
    path = tmp_path / "state.json"
    used.do(lambda: write(used.venue, path))
    kept = path.read_bytes()
    assert read(path, used.venue.options.source).accounts != []
    other = read(path, dataclasses.replace(used.venue.options.source, event_every_min=77))
    assert (other.market_time_s, other.accounts) == (used.venue.now_s, [])
    assert (tmp_path / "state.json.other").read_bytes() == kept


def test_unused_venue_keeps_its_time_alone(tmp_path):
    """Without outside accounts the document is seed and market time."""
    venue = Venue(Background().options, TinySource())
    write(venue, tmp_path / "state.json")
    kept = read(tmp_path / "state.json", SourceOptions())
    assert (kept.market_time_s, kept.accounts, kept.markets) == (venue.now_s, [], [])


@pytest.mark.slow
def test_restart_of_the_command(tmp_path):
    """After SIGTERM and a new start the same API key finds its balance, position, open order and trades."""
    state = ["--state", str(tmp_path / "state.json"), "--speed", "60"]
    process, urls = start(*state)
    trader = ClobClient(urls["clob"], chain_id=137, key="0x" + "31" * 32)
    trader.set_api_creds(trader.create_or_derive_api_key())
    market = httpx2.get(urls["gamma"] + "/markets/keyset", params={"closed": "false"}).json()["markets"][0]
    token = msgspec.json.decode(market["clobTokenIds"])[0]
    bought = trader.create_and_post_market_order(MarketOrderArgs(token_id=token, amount=10, side="BUY", price=0.99))
    resting = trader.create_and_post_order(OrderArgs(token_id=token, price=0.02, size=10, side="BUY"))["orderID"]
    time.sleep(1.0)
    cash, trades = trader.get_balance_allowance(CASH), trader.get_trades()
    process.send_signal(signal.SIGTERM)
    assert process.wait(15) == 0
    process, urls = start(*state)
    try:
        later = ClobClient(urls["clob"], chain_id=137, key="0x" + "31" * 32, creds=trader.creds)
        assert later.get_balance_allowance(CASH) == cash
        assert [t["id"] for t in later.get_trades()] == [t["id"] for t in trades] == bought["tradeIDs"]
        assert [o["id"] for o in later.get_open_orders()] == [resting]
        with pytest.raises(PolyApiException, match="Could not create api key"):
            later.create_api_key()
        assert later.cancel_order(OrderPayload(orderID=resting))["canceled"] == [resting]
        held = httpx2.get(urls["data"] + "/v2/positions", params={"user": later.get_address()}).json()["data"]
        assert [row["token_id"] for row in held] == [token]
    finally:
        process.terminate()
        process.wait(15)
