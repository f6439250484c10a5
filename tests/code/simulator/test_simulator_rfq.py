"""Requests for quotes with both public clients: asked, quoted, accepted, approved, settled."""

import time

import pytest
from py_clob_client.client import ClobClient as OldClient
from py_clob_client.rfq.rfq_types import (
    AcceptQuoteParams,
    ApproveOrderParams,
    CancelRfqQuoteParams,
    CancelRfqRequestParams,
    GetRfqBestQuoteParams,
    GetRfqQuotesParams,
    GetRfqRequestsParams,
    RfqUserQuote,
    RfqUserRequest,
)
from py_clob_client_v2.exceptions import PolyApiException
from simulator_bench import listing
from simulator_site import Background
from test_simulator_clients import client

from simulator.engine.audit import audit
from simulator.venue.rfq import KEPT_S, QUOTE_S

YES, NO, CONDITION = listing(1).token_yes, listing(1).token_no, listing(1).market_id


@pytest.fixture(scope="module")
def site():
    """A venue that takes the version 1 orders with which the clients accept and approve."""
    with Background(order_versions=(1, 2, 3)) as running:
        yield running
        assert running.do(lambda: audit(running.venue.exchange)) == []


@pytest.fixture
def desk(site):
    """The venue's requests and quotes, none before the test."""
    site.do(lambda: (site.venue.desk.requests.clear(), site.venue.desk.quotes.clear()))
    return site.venue.desk


def asked(trader, side="BUY", price=0.40, size=100):
    """Id of a new request."""
    return trader.rfq.create_rfq_request(RfqUserRequest(token_id=YES, price=price, side=side, size=size))["requestId"]


def quoted(trader, request, side, price, token=YES, size=100):
    """Id of a new quote."""
    wanted = RfqUserQuote(request_id=request, token_id=token, price=price, side=side, size=size)
    return trader.rfq.create_rfq_quote(wanted)["quoteId"]


def shares(site, trader, token):
    """Shares of a trader when all is settled, in whole shares."""
    site.settled()
    return site.do(lambda: site.venue.account_of(trader.get_address()).shares(token)) / 1e6


def test_mint_through_py_clob_client(site, desk):
    """A request to buy YES is filled by a quote to buy NO: a pair is minted, each pays its price, the taker the fee."""
    taker, maker = client(site, 200, OldClient), client(site, 201, OldClient)
    request = asked(taker)
    quote = quoted(maker, request, "BUY", 0.60, NO)
    (row,) = taker.rfq.get_rfq_requester_quotes(GetRfqQuotesParams(request_ids=[request]))["data"]
    assert (row["quoteId"], row["matchType"], row["sizeIn"], row["sizeOut"]) == (quote, "MINT", "100", "60")
    later = int(time.time()) + 3600
    assert taker.rfq.accept_rfq_quote(AcceptQuoteParams(request, quote, later)) == "OK"
    assert maker.rfq.approve_rfq_order(ApproveOrderParams(request, quote, later)) == "OK"
    assert (shares(site, taker, YES), shares(site, maker, NO)) == (100, 100)
    cash = [site.do(lambda t=t: site.venue.account_of(t.get_address()).cash_micro) for t in (taker, maker)]
    assert cash == [10_000_000_000 - 40_000_000 - 1_200_000, 10_000_000_000 - 60_000_000]
    (made,) = maker.get_trades()
    assert (made["trader_side"], made["maker_orders"][0]["asset_id"]) == ("MAKER", NO)
    (done,) = taker.rfq.get_rfq_requests(GetRfqRequestsParams(request_ids=[request]))["data"]
    assert (done["state"], done["acceptedQuoteId"]) == ("executed", quote)


def test_complementary_sale_through_v2(site, desk):
    """A request to sell what one holds is filled by a quote to buy the same token, through py-clob-client-v2."""
    taker, maker = client(site, 202), client(site, 203)
    site.do(lambda: site.venue.exchange.split(site.venue.account_of(taker.get_address()), CONDITION, 100_000_000))
    request = asked(taker, "SELL", 0.45)
    quote = quoted(maker, request, "BUY", 0.45)
    later = int(time.time()) + 3600
    assert taker.rfq.accept_rfq_quote(AcceptQuoteParams(request, quote, later)) == "OK"
    assert maker.rfq.approve_rfq_order(ApproveOrderParams(request, quote, later)) == "OK"
    assert (shares(site, taker, YES), shares(site, maker, YES)) == (0, 100)


def test_best_quote_and_lists(site, desk):
    """The best quote of a purchase is the cheapest in the requester's token; lists filter, sort and page."""
    taker, maker = client(site, 204), client(site, 205)
    request = asked(taker)
    dear, cheap = quoted(maker, request, "SELL", 0.42), quoted(maker, request, "BUY", 0.61, NO)
    assert taker.rfq.get_rfq_best_quote(GetRfqBestQuoteParams(request))["quoteId"] == cheap
    mine = maker.rfq.get_rfq_quoter_quotes(GetRfqQuotesParams(sort_by="price", sort_dir="desc", limit=1))
    assert [row["quoteId"] for row in mine["data"]] == [cheap]
    assert (mine["count"], mine["total_count"]) == (1, 2)
    rest = maker.rfq.get_rfq_quoter_quotes(
        GetRfqQuotesParams(sort_by="price", sort_dir="desc", limit=1, offset=mine["next_cursor"])
    )
    assert ([row["quoteId"] for row in rest["data"]], rest["next_cursor"]) == ([dear], "LTE=")
    assert maker.rfq.get_rfq_requests(GetRfqRequestsParams(markets=[CONDITION], state="active"))["count"] == 1
    assert maker.rfq.get_rfq_requests(GetRfqRequestsParams(size_min=101))["count"] == 0
    assert maker.rfq.get_rfq_requester_quotes()["data"] == []
    assert maker.rfq.cancel_rfq_quote(CancelRfqQuoteParams(cheap)) == "OK"
    assert taker.rfq.get_rfq_best_quote(GetRfqBestQuoteParams(request))["quoteId"] == dear
    assert taker.rfq.cancel_rfq_request(CancelRfqRequestParams(request)) == "OK"
    assert maker.rfq.get_rfq_quoter_quotes(GetRfqQuotesParams(state="active"))["count"] == 0
    assert taker.rfq.rfq_config()["quoteExpirySeconds"] == QUOTE_S


@pytest.mark.parametrize(
    ("side", "price", "token", "size", "text"),
    [
        ("BUY", 0.40, YES, 100, "does not trade against the request"),
        ("SELL", 0.40, NO, 100, "does not trade against the request"),
        ("SELL", 0.40, YES, 50, "for its whole size"),
        ("SELL", 0.40, listing(2).token_yes, 100, "does not trade against the request"),
    ],
)
def test_quotes_must_fit(site, desk, side, price, token, size, text):
    """A quote on the same side, in another market or for a part is refused."""
    taker, maker = client(site, 206), client(site, 207)
    request = asked(taker)
    with pytest.raises(PolyApiException, match=text):
        quoted(maker, request, side, price, token, size)
    assert desk.quotes == {}


def test_refused_acceptance_changes_nothing(site, desk):
    """Accepting what one cannot pay, another's request, or an expired quote is refused; the quote stays as it was."""
    taker, maker = client(site, 208), client(site, 209)
    request = asked(taker, size=30_000)
    quote = quoted(maker, request, "BUY", 0.60, NO, 30_000)
    later = int(time.time()) + 3600
    with pytest.raises(PolyApiException, match="the balance is not enough"):
        taker.rfq.accept_rfq_quote(AcceptQuoteParams(request, quote, later))
    assert desk.quotes[quote].terms.state == "active"
    with pytest.raises(PolyApiException, match="request not found"):
        maker.rfq.cancel_rfq_request(CancelRfqRequestParams(request))
    with pytest.raises(PolyApiException, match="quote not found"):
        maker.rfq.approve_rfq_order(ApproveOrderParams(request, quote, later))
    site.do(lambda: setattr(desk.quotes[quote].terms, "expires_s", 1))
    with pytest.raises(PolyApiException, match="quote not found"):
        taker.rfq.accept_rfq_quote(AcceptQuoteParams(request, quote, later))


def test_what_is_over_is_forgotten(site, desk):
    """An hour after its end a request is no longer listed, nor are its quotes."""
    taker, maker = client(site, 215), client(site, 216)
    request = asked(taker)
    quoted(maker, request, "SELL", 0.42)
    site.do(lambda: setattr(desk.requests[request].terms, "expires_s", int(time.time()) - KEPT_S + 60))
    assert taker.rfq.get_rfq_requests(GetRfqRequestsParams(state="inactive"))["count"] == 1
    site.do(lambda: setattr(desk.requests[request].terms, "expires_s", int(time.time()) - KEPT_S - 1))
    assert taker.rfq.get_rfq_requests()["count"] == 0
    assert desk.quotes == {}
