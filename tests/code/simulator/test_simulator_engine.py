"""The matching engine: priority, the three kinds of match, fees, order types, backing, settlement, resolution."""

import pytest
from simulator_bench import exchange, listing, order, place

from pipelines.core.domain import Outcome
from pipelines.core.money import MICRO, fee_micro
from simulator.engine.audit import audit
from simulator.engine.orders import OrderStatus, TradeStatus
from simulator.engine.refusals import Refused


def test_price_then_time():
    """A taker fills the best price first, and at one price the oldest order first, at the makers' prices."""
    venue = exchange()
    place(venue, "a", "BUY", "NO", 4500, 10)
    first, _ = place(venue, "b", "BUY", "NO", 4800, 10)
    second, _ = place(venue, "c", "BUY", "NO", 4800, 10)
    _, trades = place(venue, "d", "BUY", "YES", 5400, 15)
    assert [(t.price_units, t.shares_micro) for t in trades] == [(5200, 15 * MICRO)]
    assert [(f.order.order_id, f.shares_micro) for f in trades[0].makers] == [
        (first.order_id, 10 * MICRO),
        (second.order_id, 5 * MICRO),
    ]
    assert audit(venue) == []


def test_mint_locks_collateral():
    """Buyers of YES and NO whose prices reach 1 pay for a new pair, each in its own token and price."""
    venue = exchange()
    maker, _ = place(venue, "a", "BUY", "NO", 4000, 100)
    _, (trade,) = place(venue, "b", "BUY", "YES", 6000, 100)
    market = venue.markets[trade.market_id]
    assert market.collateral_micro == 100 * MICRO
    assert venue.accounts["a"].shares(market.listing.token_no) == 100 * MICRO
    assert venue.accounts["a"].cash_micro == 10_000 * MICRO - 40 * MICRO
    fee = fee_micro(100 * MICRO, 6000, 0.05)
    assert venue.accounts["b"].cash_micro == 10_000 * MICRO - 60 * MICRO - fee
    assert trade.makers[0].price_units == 4000
    assert maker.status is OrderStatus.MATCHED
    assert venue.fees_micro == fee == trade.fee_micro


def test_complementary_and_merge():
    """A sale to a buyer moves shares; sellers of both tokens give the pair back and share its pUSD."""
    venue = exchange()
    market = next(iter(venue.markets.values()))
    for who in ("a", "b"):
        venue.split(venue.account(who), market.listing.market_id, 50 * MICRO)
    place(venue, "c", "BUY", "YES", 5000, 20)
    _, (sale,) = place(venue, "a", "SELL", "YES", 4900, 20)
    assert sale.minted_micro == 0
    assert sale.price_units == 5000
    assert venue.accounts["c"].shares(market.listing.token_yes) == 20 * MICRO
    place(venue, "a", "SELL", "YES", 5500, 30)
    _, (merge,) = place(venue, "b", "SELL", "NO", 4000, 30)
    assert merge.minted_micro == -30 * MICRO
    assert (merge.price_units, merge.makers[0].price_units) == (4500, 5500)
    assert market.collateral_micro == 70 * MICRO
    assert audit(venue) == []


def test_price_improvement_goes_to_the_taker():
    """A buy at 0.60 against an ask of 0.52 pays 0.52, and a market buy gets more shares for its budget."""
    venue = exchange(listing(rate=0.0))
    place(venue, "a", "BUY", "NO", 4800, 1000)
    before = venue.account("b").cash_micro
    made, _ = place(venue, "b", "BUY", "YES", 6000, 10)
    assert before - venue.account("b").cash_micro == 5_200_000
    spent, (trade,) = place(venue, "c", "BUY", "YES", 6000, 0, kind="FOK", budget=26)
    assert trade.shares_micro == 50 * MICRO
    assert spent.matched_micro == 50 * MICRO
    assert made.remaining_micro == 0


def test_fok_is_all_or_nothing():
    """A FOK order that the book cannot fill whole changes nothing."""
    venue = exchange()
    place(venue, "a", "BUY", "NO", 4800, 10)
    with pytest.raises(Refused, match="FOK orders are fully filled or killed"):
        place(venue, "b", "BUY", "YES", 5200, 0, kind="FOK", budget=50)
    assert venue.account("b").cash_micro == 10_000 * MICRO
    assert audit(venue) == []


def test_fak_takes_what_there_is():
    """A FAK order fills what it finds and the rest is gone; without any match it is refused."""
    venue = exchange()
    place(venue, "a", "BUY", "NO", 4800, 10)
    made, trades = place(venue, "b", "BUY", "YES", 5200, 0, kind="FAK", budget=50)
    assert made.matched_micro == 10 * MICRO
    assert len(trades) == 1
    assert made.order_id not in venue.orders
    with pytest.raises(Refused, match="no orders found to match with FAK order"):
        place(venue, "b", "BUY", "YES", 5200, 0, kind="FAK", budget=50)


def test_post_only_never_takes():
    """A post-only order that would cross is refused, one that would not rests."""
    venue = exchange()
    place(venue, "a", "BUY", "NO", 4800, 10)
    with pytest.raises(Refused, match="invalid post-only order: order crosses book"):
        place(venue, "b", "BUY", "YES", 5200, 10, post_only=True)
    resting, _ = place(venue, "b", "BUY", "YES", 5100, 10, post_only=True)
    assert resting.order_id in venue.orders


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("BUY", "YES", 5250, 10), r"Price \(0.525\) breaks minimum tick size rule: 0.01"),
        (("BUY", "YES", 10_000, 10), "breaks minimum tick size rule"),
        (("BUY", "YES", 0, 10), "breaks minimum tick size rule"),
        (("BUY", "YES", 5200, 1.73), r"Size \(1.73\) lower than the minimum: 5"),
        (
            ("BUY", "YES", 5200, 1e9),
            "not enough balance / allowance: the balance is not enough -> balance: 10000000000",
        ),
        (("SELL", "YES", 5200, 10), "balance: 0, order amount: 10000000"),
    ],
)
def test_refusals(arguments, text):
    """Each rule refuses in the venue's own words and changes nothing."""
    venue = exchange()
    with pytest.raises(Refused, match=text):
        place(venue, "a", *arguments)
    assert venue.orders == {}
    assert venue.known == set()


def test_marketable_buy_needs_a_dollar():
    """A buy that trades on arrival is worth at least 1 pUSD."""
    venue = exchange()
    place(venue, "a", "BUY", "NO", 9000, 100)
    with pytest.raises(Refused, match=r"invalid amount for a marketable BUY order \(\$0.5000\), min size: \$1"):
        place(venue, "b", "BUY", "YES", 1000, 5)


def test_duplicates():
    """The same signed order is accepted once, even after it was cancelled or filled."""
    venue = exchange()
    made, _ = place(venue, "a", "BUY", "YES", 5000, 10)
    venue.cancel(made)
    with pytest.raises(Refused, match="Duplicated"):
        venue.place(order(venue, "a", "BUY", "YES", 5000, 10, order_id=made.order_id))


def test_open_orders_reserve_per_market():
    """Open buys of one market reserve pUSD there; the same pUSD may back orders in another market."""
    venue = exchange(listing(1), listing(2))
    first, second = venue.markets.values()
    place(venue, "a", "BUY", "YES", 5000, 15_000, market=first)
    with pytest.raises(
        Refused,
        match=r"balance: 10000000000, sum of active orders: 7500000000, .* order amount \(inc. fees\): 3000000000",
    ):
        place(venue, "a", "BUY", "YES", 5000, 6_000, market=first)
    other, _ = place(venue, "a", "BUY", "YES", 5000, 15_000, market=second)
    place(venue, "b", "BUY", "NO", 5000, 15_000, market=first)
    assert other.status is OrderStatus.CANCELED_NOT_ENOUGH_BALANCE
    assert audit(venue) == []


def test_settlement_in_two_steps():
    """Until it is mined, what a trade delivers is in no account; a failed trade gives everything back."""
    venue = exchange(at_once=False)
    token = next(iter(venue.markets.values())).listing.token_yes
    place(venue, "a", "BUY", "NO", 4800, 10)
    _, (trade,) = place(venue, "b", "BUY", "YES", 5200, 10)
    assert venue.account("b").shares(token) == 0
    assert audit(venue) == []
    venue.settle(trade)
    assert venue.account("b").shares(token) == 10 * MICRO
    place(venue, "a", "BUY", "NO", 4800, 10)
    cash = venue.account("b").cash_micro
    _, (failing,) = place(venue, "b", "BUY", "YES", 5200, 10)
    venue.revert(failing)
    assert failing.status is TradeStatus.FAILED
    assert venue.account("b").cash_micro == cash
    assert audit(venue) == []


@pytest.mark.parametrize(("payout", "yes_paid"), [(MICRO, 100), (0, 0), (MICRO // 2, 50)])
def test_resolution_pays(payout, yes_paid):
    """After a resolution to 1, 0 or 50-50 every share is redeemed and no collateral is left."""
    venue = exchange(listing(rate=0.0))
    market = next(iter(venue.markets.values()))
    place(venue, "a", "BUY", "NO", 4000, 100)
    place(venue, "b", "BUY", "YES", 6000, 100)
    resting, _ = place(venue, "b", "BUY", "YES", 1000, 100)
    venue.resolve(market.listing.market_id, payout)
    assert resting.status is OrderStatus.CANCELED_MARKET_RESOLVED
    assert venue.redeem(venue.account("b"), market.listing.market_id) == yes_paid * MICRO
    venue.redeem(venue.account("a"), market.listing.market_id)
    assert market.collateral_micro == 0
    assert audit(venue) == []
    with pytest.raises(Refused, match="not yet ready"):
        place(venue, "a", "BUY", "YES", 5000, 10)


def test_no_book_mirrors_yes_book():
    """The NO book is the YES book seen from the other side, level by level."""
    venue = exchange()
    place(venue, "a", "BUY", "YES", 4800, 10)
    place(venue, "a", "BUY", "NO", 4900, 20)
    book = next(iter(venue.markets.values())).book
    yes_bids, yes_asks = book.levels(Outcome.YES)
    no_bids, no_asks = book.levels(Outcome.NO)
    assert (yes_bids, yes_asks) == ([(4800, 10 * MICRO)], [(5100, 20 * MICRO)])
    assert no_bids == [(10_000 - p, s) for p, s in yes_asks]
    assert no_asks == [(10_000 - p, s) for p, s in yes_bids]


def test_fee_must_fit():
    """A taker whose pUSD covers the shares but not the fee is refused before anything moves."""
    venue = exchange(deposit_pusd=10)
    place(venue, "a", "BUY", "NO", 5000, 20)
    with pytest.raises(Refused, match="not enough balance"):
        place(venue, "b", "BUY", "YES", 5000, 20)
    assert audit(venue) == []
