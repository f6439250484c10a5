"""Pairs of YES and NO that a maker's two bids bought: merged into pUSD, and booked when the venue shows them gone."""

import time
from typing import Final

from pipelines.core.domain import Fill, FillState, Market, Outcome, Side
from pipelines.core.errors import VenueError
from pipelines.core.money import PRICE_SCALE, notional_micro
from pipelines.core.orders import NotOffered, OrderGateway
from pipelines.trading.kernel import sellable_micro
from serving.account import bookings
from serving.account.accounting import Accounting

MERGED: Final = "merged"
"""The order id of such bookings."""

ASK_AGAIN_S: Final = 30.0
"""Wall time after a refusal until a market's pairs are asked for again."""


class Pairs:
    """The pairs of one account. `under_way` are the markets whose merge was asked for and is not booked yet; what is
    held there is left alone until it is."""

    def __init__(self, gateway: OrderGateway, accounting: Accounting) -> None:
        self._gateway = gateway
        self._accounting = accounting
        self._due_s: dict[str, float] = {}
        self._not_offered = False
        self.under_way: set[str] = set()

    def merge(self, busy: frozenset[str]) -> str:
        """Book what was merged and ask for what can be; what a person has to know, else nothing. `busy` are markets
        with working orders: the venue has promised their shares.

        Where the account cannot merge, its pairs are sold token by token.

        Raises:
            VenueError: if a balance cannot be read.
        """
        said = ""
        for market in [] if self._not_offered else self._accounting.markets_of_pairs():
            if market.market_id not in busy and time.monotonic() >= self._due_s.get(market.market_id, 0.0):
                said = self._look(market) or said
        return said

    def _look(self, market: Market) -> str:
        held = {outcome: self._accounting.shares_micro(market.token(outcome)) for outcome in Outcome}
        gone = {micro - self._gateway.shares_micro(market.token(outcome)) for outcome, micro in held.items()}
        if len(gone) == 1 and max(gone) > 0:
            self.under_way.discard(market.market_id)
            self._book(market, max(gone))
        elif gone == {0} and (pairs := sellable_micro(min(held.values()))):
            return self._ask(market, pairs)
        return ""

    def _ask(self, market: Market, pairs: int) -> str:
        """Ask for a merge; asking again while it is under way changes nothing."""
        try:
            self._gateway.merge(market, pairs)
        except NotOffered as error:
            self._not_offered = True
            return f"pairs are sold and not merged: {error}"
        except VenueError:
            self.under_way.discard(market.market_id)
            self._due_s[market.market_id] = time.monotonic() + ASK_AGAIN_S
            return ""
        self.under_way.add(market.market_id)
        for outcome in Outcome:
            self._gateway.refresh_balance(market.token(outcome))
        return ""

    def _book(self, market: Market, pairs: int) -> None:
        """Book a merge as the sale of both tokens for 1 pUSD together."""
        mid = self._accounting.mids.get(market.market_id, PRICE_SCALE // 2)
        first, stamp = notional_micro(pairs, mid), time.time_ns()
        for outcome, price, cash in ((Outcome.YES, mid, first), (Outcome.NO, PRICE_SCALE - mid, pairs - first)):
            fill = Fill(
                fill_id=f"{MERGED}/{stamp}/{outcome.value}",
                order_id=MERGED,
                market_id=market.market_id,
                token_id=market.token(outcome),
                outcome=outcome,
                side=Side.SELL,
                price_units=price,
                shares_micro=pairs,
                fee_micro=0,
                ts_s=stamp // 10**9,
                state=FillState.CONFIRMED,
            )
            self._accounting.book(bookings.exactly(fill, cash))
