"""Faults of books: what clients see over REST and on the stream while a side, a market or a tick is wrong."""

import httpx2
import pytest
from py_clob_client_v2.clob_types import OrderArgs, OrderPayload
from simulator_bench import listing
from simulator_site import Background
from test_simulator_clients import client
from test_simulator_faults import start
from test_simulator_streams import messages, socket, subscribe

from pipelines.core.domain import Side
from simulator.engine.audit import audit

YES, NO, CONDITION = listing(1).token_yes, listing(1).token_no, listing(1).market_id
BIDS, ASKS = ["0.45", "0.46", "0.47", "0.48", "0.49"], ["0.55", "0.54", "0.53", "0.52", "0.51"]
FINE, OTHER = listing(2), listing(3)


def book(site, token=YES):
    """A token's book over REST: prices of bids and asks, best last."""
    found = httpx2.get(f"{site.urls['clob']}/book", params={"token_id": token}).json()
    return [row["price"] for row in found["bids"]], [row["price"] for row in found["asks"]]


def stop(site, fault):
    """Switch a fault off."""
    assert httpx2.delete(f"{site.urls['clob']}/admin/faults/{fault['name']}").status_code == 200


@pytest.mark.parametrize(
    ("fault", "shown"),
    [
        ("asks_gone", (BIDS, [])),
        ("bids_gone", ([], ASKS)),
        ("empty_books", ([], [])),
        ("ghost_book", (["0.01"], [])),
        ("crossed_snapshot", ([*BIDS, "0.6"], [*ASKS, "0.4"])),
    ],
)  # fmt: skip
def test_books_while_a_fault_is_on(site, fault, shown):
    """The book of the named market shows the fault at once and in later steps; other books do not; then it ends."""
    site.step()
    before = book(site)
    started = start(site, fault, market=CONDITION)
    assert book(site) == shown
    site.step()
    assert book(site) == shown
    assert book(site, OTHER.token_yes) == before
    stop(site, started)
    assert book(site) == before


def test_ghost_bid_is_small_and_its_market_is_drawn(site):
    """Without a market, one in which an outside account has orders is drawn; its only bid is 5 shares."""
    trader = client(site, 140)
    resting = trader.create_and_post_order(OrderArgs(token_id=FINE.token_yes, price=0.2, size=10, side="BUY"))
    assert start(site, "ghost_book")["market"] == FINE.market_id
    trader.cancel_order(OrderPayload(orderID=resting["orderID"]))
    found = httpx2.get(f"{site.urls['clob']}/book", params={"token_id": FINE.token_yes}).json()
    assert found["bids"] == [{"price": "0.001", "size": "5"}]
    assert found["asks"] == []


def test_every_book_is_empty_in_a_maintenance(site):
    """Without a market all books are empty, and market time goes on."""
    start(site, "empty_books", for_min=2)
    assert [book(site, x.token_yes) for x in (listing(1), FINE, OTHER)] == [([], [])] * 3
    site.step()
    site.step()
    site.do(site.site.faults.advance)
    assert book(site)[0]


def test_crossed_snapshot_on_the_stream(site):
    """A subscriber's first snapshot of the market is crossed too."""
    start(site, "crossed_snapshot", market=CONDITION)
    with socket(site, "market") as connection:
        subscribe(connection, YES)
        (first,) = messages(connection)
    assert (first["bids"][-1]["price"], first["asks"][-1]["price"]) == ("0.6", "0.4")


def test_book_vanishes_before_the_end():
    """The market maker of a market leaves a given market time before its end."""
    with Background(admin=True) as site:
        start(site, "book_vanishes", before_s=180)
        market = site.venue.exchange.markets[CONDITION]
        site.do(lambda: setattr(market, "listing", _ending(market.listing, site.venue.now_s + 300)))
        site.step()
        assert book(site)[0]
        site.step()
        assert book(site) == ([], [])


def _ending(found, end_s):
    return type(found)(**{name: getattr(found, name) for name in found.__slots__} | {"end_s": end_s})


@pytest.mark.parametrize("decimals", [4, 5, 6])
@pytest.mark.parametrize(("side", "units", "price"), [("BUY", 4900, 0.49), ("SELL", 5300, 0.53)])
def test_fills_off_the_grid(site, decimals, side, units, price):
    """Takers who spend sums fill a resting order with 4 to 6 decimals of shares, and the books balance."""
    trader = client(site, 150 + decimals)
    if side == "SELL":
        trader.create_and_post_order(OrderArgs(token_id=YES, price=0.55, size=40, side="BUY"))
        site.settled()
    rest = trader.create_and_post_order(OrderArgs(token_id=YES, price=price, size=30, side=side))
    start(site, "spend_sums", decimals=decimals)
    start(site, "empty_books")
    taker = Side.SELL if side == "BUY" else Side.BUY
    site.step((taker, units, 7.37))
    matched = trader.get_order(rest["orderID"])["size_matched"]
    assert "." in matched
    assert 2 < len(matched.split(".")[1]) <= decimals
    assert 6.9 < float(matched) <= 7.37
    assert site.do(lambda: audit(site.venue.exchange)) == []
    trader.cancel_all()
    site.settled()


def test_tick_that_changes_while_the_client_is_away():
    """Sockets close, no message is sent about the new tick, and book, snapshot, listing and /tick-size all show it."""
    with Background(admin=True) as site:
        with socket(site, "market") as connection:
            subscribe(connection, YES, initial_dump=False)
            messages(connection, 0.1)
            start(site, "tick_missed", market=CONDITION, tick_units=10)
            assert messages(connection) == []
            with pytest.raises(Exception, match="1001"):
                connection.recv(timeout=2)
        _shows_tick(site, "0.001")
        start(site, "tick_missed", market=CONDITION, tick_units=100)
        site.step()
        _shows_tick(site, "0.01")
        assert all(len(price) <= len("0.01") for side in book(site) for price in side)


def test_coarser_tick_stays_and_rounds_the_quotes():
    """A market quoted on 0.001 that is set back to 0.01 stays there: bids are rounded down and asks up."""
    with Background(admin=True) as site:
        site.do(lambda: setattr(site.source, "half_spread", 95))
        start(site, "tick_change", market=FINE.market_id, tick_units=100)
        site.step()
        bids, asks = book(site, FINE.token_yes)
        assert (bids[-1], asks[-1]) == ("0.49", "0.51")
        assert httpx2.get(f"{site.urls['clob']}/tick-size", params={"token_id": FINE.token_yes}).json() == {
            "minimum_tick_size": 0.01
        }


def _shows_tick(site, tick):
    clob, gamma = site.urls["clob"], site.urls["gamma"]
    assert httpx2.get(f"{clob}/book", params={"token_id": YES}).json()["tick_size"] == tick
    assert httpx2.get(f"{clob}/tick-size", params={"token_id": YES}).json()["minimum_tick_size"] == float(tick)
    assert httpx2.get(f"{clob}/clob-markets/{CONDITION}").json()["mts"] == float(tick)
    listed = httpx2.get(f"{gamma}/markets", params={"condition_ids": CONDITION}).json()
    assert listed[0]["orderPriceMinTickSize"] == float(tick)
    with socket(site, "market") as connection:
        subscribe(connection, YES)
        assert messages(connection, 0.2)[0]["tick_size"] == tick
