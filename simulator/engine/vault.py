"""Everybody's money: accounts, collateral, trades on their way to settlement. No orders here."""

import itertools
from collections import defaultdict
from collections.abc import Callable

from pipelines.core.money import MICRO
from simulator.engine.accounts import Account
from simulator.engine.errors import Refused, not_enough_balance
from simulator.engine.markets import LiveMarket, MarketState
from simulator.engine.orders import Trade, TradeStatus
from simulator.markets.source import Listing


class Vault:
    """Accounts, markets and their collateral. Methods succeed whole or raise `Refused` and change nothing."""

    def __init__(self, *, deposit_micro: int, market_s: Callable[[], int] = lambda: 0):
        self.deposit_micro = deposit_micro
        self.market_s = market_s
        self.accounts: dict[str, Account] = {}
        self.markets: dict[str, LiveMarket] = {}
        self.by_token: dict[str, LiveMarket] = {}
        self.trades: dict[str, Trade] = {}
        """Trades with an outside account, in order of execution."""
        self.trades_of: defaultdict[str, list[Trade]] = defaultdict(list)
        """The same by account address."""
        self.pending: dict[str, Trade] = {}
        """Trades whose credits are not given yet."""
        self.fees_micro = 0
        self.deposits_micro = 0
        self._numbers = itertools.count(500_001)

    # -- markets and accounts

    def list_market(self, listing: Listing) -> LiveMarket:
        """Open a market; a market that is there already is returned as it is."""
        market = self.markets.get(listing.market_id)
        if market is None:
            market = LiveMarket(listing, next(self._numbers))
            self.markets[listing.market_id] = market
            self.by_token[listing.token_yes] = self.by_token[listing.token_no] = market
        return market

    def account(self, address: str, *, internal: bool = False) -> Account:
        """The account of an address; a new one starts with the deposit."""
        account = self.accounts.get(address)
        if account is None:
            account = self.accounts[address] = Account(address, internal=internal)
            self.deposit(account, MICRO * 10**12 if internal else self.deposit_micro)
        return account

    def deposit(self, account: Account, micro: int) -> None:
        """Add pUSD from outside."""
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
        """Pay pUSD out of the fees that were taken.

        Raises:
            Refused: if less was taken.
        """
        if micro > self.fees_micro:
            raise not_enough_balance(self.fees_micro, micro)
        self.fees_micro -= micro
        account.cash_micro += micro

    # -- settlement

    def give_credits(self, trade: Trade) -> None:
        """Deliver what a trade owes, lock or free its collateral, and take its fee."""
        for account, asset, micro in trade.credits:
            account.add(asset, micro)
        self.markets[trade.market_id].collateral_micro += trade.minted_micro
        self.fees_micro += trade.fee_micro

    def settle(self, trade: Trade) -> None:
        """Give the credits of a matched trade: it is mined."""
        if self.pending.pop(trade.trade_id, None) is not None:
            self.give_credits(trade)

    def revert(self, trade: Trade) -> None:
        """Undo the debits of a trade whose settlement failed for good; its orders stay matched."""
        if self.pending.pop(trade.trade_id, None) is None:
            return
        for account, asset, micro in trade.debits:
            account.add(asset, micro)
        trade.status, trade.reverted = TradeStatus.FAILED, True

    # -- collateral

    def split(self, account: Account, market_id: str, micro: int) -> None:
        """Turn pUSD into as many YES and NO shares.

        Raises:
            Refused: if the account lacks the pUSD or the market is over.
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
        """Pay out an account's shares of a resolved market; pUSD base units received."""
        market = self.markets[market_id]
        if market.payout_yes_micro is None:
            raise Refused("market not resolved")
        listing = market.listing
        yes, no = account.positions.pop(listing.token_yes, 0), account.positions.pop(listing.token_no, 0)
        paid = (yes * market.payout_yes_micro + no * (MICRO - market.payout_yes_micro)) // MICRO
        account.cash_micro += paid
        market.collateral_micro -= paid
        return paid
