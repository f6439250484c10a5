"""Cash, shares and collateral of all accounts, and trades that wait for settlement. Orders are in `exchange`."""

import itertools
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from pipelines.core.domain import Outcome
from pipelines.core.money import MICRO
from simulator.engine.accounts import Account
from simulator.engine.markets import LiveMarket, MarketState
from simulator.engine.orders import Trade, TradeStatus
from simulator.engine.refusals import Refused, not_enough_balance
from simulator.markets.source import Listing


class Vault:
    """Accounts, markets and their collateral. A method succeeds as a whole, or raises `Refused` and changes nothing."""

    def __init__(self, *, deposit_micro: int, market_s: Callable[[], int] = lambda: 0):
        self.deposit_micro = deposit_micro
        self.market_s = market_s
        self.accounts: dict[str, Account] = {}
        self.markets: dict[str, LiveMarket] = {}
        self.by_token: dict[str, LiveMarket] = {}
        self.trades: dict[str, Trade] = {}
        """Trades with an outside account, in order of execution."""
        self.trades_of: defaultdict[str, list[Trade]] = defaultdict(list)
        """Trades by account address, oldest first."""
        self.pending: dict[str, Trade] = {}
        """Trades whose credits are not given yet."""
        self.fees_micro = 0
        self.deposits_micro = 0
        self._numbers = itertools.count(500_001)

    # -- markets and accounts

    def list_market(self, listing: Listing) -> LiveMarket:
        """The market of a listing; it is created if its id is not known."""
        market = self.markets.get(listing.market_id)
        if market is None:
            market = LiveMarket(listing, next(self._numbers))
            self.markets[listing.market_id] = market
            self.by_token[listing.token_yes] = self.by_token[listing.token_no] = market
        return market

    def account(self, address: str, *, internal: bool = False) -> Account:
        """The account of an address; a new account gets the deposit."""
        account = self.accounts.get(address)
        if account is None:
            account = self.accounts[address] = Account(address, internal=internal)
            # Internal accounts must never run out of cash; the audit counts this deposit like any other.
            self.deposit(account, MICRO * 10**12 if internal else self.deposit_micro)
        return account

    def deposit(self, account: Account, micro: int) -> None:
        """Credit pUSD that comes from outside."""
        account.cash_micro += micro
        account.deposited_micro += micro
        self.deposits_micro += micro

    def withdraw(self, account: Account, micro: int) -> None:
        """Take pUSD out of the exchange.

        Raises:
            Refused: if the account has less.
        """
        if not 0 < micro <= account.cash_micro:
            raise not_enough_balance(account.cash_micro, micro)
        account.cash_micro -= micro
        account.deposited_micro -= micro
        self.deposits_micro -= micro

    def give_back_fees(self, account: Account, micro: int) -> None:
        """Pay pUSD to an account out of the collected fees.

        Raises:
            Refused: if the fees are less than `micro`.
        """
        if micro > self.fees_micro:
            raise not_enough_balance(self.fees_micro, micro)
        self.fees_micro -= micro
        account.cash_micro += micro

    # -- settlement

    def give_credits(self, trade: Trade) -> None:
        """Credit the accounts of a trade, lock or free its collateral, and collect its fee."""
        for account, asset, micro in trade.credits:
            account.add(asset, micro)
        self.markets[trade.market_id].collateral_micro += trade.minted_micro
        self.fees_micro += trade.fee_micro

    def settle(self, trade: Trade) -> None:
        """Credit the accounts of a pending trade; no effect if it is settled."""
        if self.pending.pop(trade.trade_id, None) is not None:
            self.give_credits(trade)

    def revert(self, trade: Trade) -> None:
        """Undo the debits of a pending trade whose settlement failed finally; its orders stay matched."""
        if self.pending.pop(trade.trade_id, None) is None:
            return
        for account, asset, micro in trade.debits:
            account.add(asset, micro)
        trade.status, trade.reverted = TradeStatus.FAILED, True

    # -- collateral

    def split(self, account: Account, market_id: str, micro: int) -> None:
        """Turn pUSD into the same number of YES and NO shares.

        Raises:
            Refused: if the account lacks the pUSD or the market is resolved.
        """
        market = self.markets[market_id]
        if market.state is MarketState.RESOLVED:
            raise Refused("the market is not yet ready to process new orders")
        free = account.cash_micro - max(account.reserved.values(), default=0)
        if micro <= 0 or micro > free:
            raise not_enough_balance(free, micro)
        account.cash_micro -= micro
        account.add(market.listing.token_yes, micro)
        account.add(market.listing.token_no, micro)
        market.collateral_micro += micro

    def merge(self, account: Account, market_id: str, micro: int) -> None:
        """Turn pairs of YES and NO shares back into pUSD.

        Raises:
            Refused: if the account lacks free shares of either token.
        """
        market = self.markets[market_id]
        yes, no = market.listing.token_yes, market.listing.token_no
        free = min(account.free_shares(yes), account.free_shares(no))
        if micro <= 0 or micro > free:
            raise not_enough_balance(free, micro)
        account.add(yes, -micro)
        account.add(no, -micro)
        account.cash_micro += micro
        market.collateral_micro -= micro

    def holders(self, market_id: str) -> list[Account]:
        """Accounts with shares of either token of a market."""
        listing = self.markets[market_id].listing
        tokens = (listing.token_yes, listing.token_no)
        return [a for a in self.accounts.values() if any(token in a.positions for token in tokens)]

    def redeem(self, account: Account, market_id: str) -> int:
        """Pay an account's shares of a resolved market. Returns pUSD in base units."""
        market = self._resolved(market_id)
        listing = market.listing
        yes, no = account.positions.pop(listing.token_yes, 0), account.positions.pop(listing.token_no, 0)
        paid = (yes * market.payout_micro(Outcome.YES) + no * market.payout_micro(Outcome.NO)) // MICRO
        account.cash_micro += paid
        market.collateral_micro -= paid
        return paid

    def redeem_part(self, account: Account, market_id: str, outcome: Outcome, micro: int) -> int:
        """Pay some of an account's shares of one outcome of a resolved market. Returns pUSD in base units.

        Raises:
            Refused: if the account has fewer shares or the market is not resolved.
        """
        market = self._resolved(market_id)
        token = market.token(outcome)
        if not 0 < micro <= account.shares(token):
            raise not_enough_balance(account.shares(token), micro)
        account.add(token, -micro)
        paid = micro * market.payout_micro(outcome) // MICRO
        account.cash_micro += paid
        market.collateral_micro -= paid
        return paid

    def _resolved(self, market_id: str) -> LiveMarket:
        market = self.markets[market_id]
        if market.payout_yes_micro is None:
            raise Refused("result for condition not received yet")
        return market

    def convert(
        self, account: Account, adapter: Account, given: list[LiveMarket], rest: list[LiveMarket], micro: int
    ) -> int:
        """Turn NO shares of some questions of a negative-risk event into YES shares of all the others and pUSD.

        Exactly one question wins, so k NO shares are worth k - 1 pUSD and one YES share of each other question. The
        adapter, an internal account, keeps the NO shares and splits pUSD to issue the YES shares.

        Returns:
            pUSD base units received: (k - 1) x `micro`.

        Raises:
            Refused: if the account lacks free NO shares, or a market is resolved.
        """
        if any(market.state is MarketState.RESOLVED for market in (*given, *rest)):
            raise Refused("the market is not yet ready to process new orders")
        tokens = [market.listing.token_no for market in given]
        free = min(account.free_shares(token) for token in tokens)
        if not 0 < micro <= free:
            raise not_enough_balance(free, micro)
        for token in tokens:
            account.add(token, -micro)
            adapter.add(token, micro)
        for market in rest:
            self.split(adapter, market.listing.market_id, micro)
            adapter.add(market.listing.token_yes, -micro)
            account.add(market.listing.token_yes, micro)
        paid = (len(given) - 1) * micro
        adapter.cash_micro -= paid
        account.cash_micro += paid
        return paid

    @contextmanager
    def atomically(self, account: Account) -> Iterator[None]:
        """Undo changes to cash and shares (this account and internal ones) and collateral if the block is refused."""
        others = [other for other in self.accounts.values() if other.internal or other is account]
        before = [(other, other.cash_micro, dict(other.positions), other.deposited_micro) for other in others]
        collateral = {name: market.collateral_micro for name, market in self.markets.items()}
        deposits, allowance = self.deposits_micro, account.allowance_micro
        try:
            yield
        except Refused:
            for other, cash, positions, deposited in before:
                other.cash_micro, other.positions, other.deposited_micro = cash, positions, deposited
            for name, micro in collateral.items():
                self.markets[name].collateral_micro = micro
            self.deposits_micro, account.allowance_micro = deposits, allowance
            raise
