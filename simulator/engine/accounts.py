"""Accounts in base units: cash, positions, what is reserved by open orders, what is open."""

from dataclasses import dataclass, field

CASH = ""
"""Asset name of pUSD in a list of assets; all other assets are named by their token id."""


@dataclass(slots=True, eq=False)
class Account:
    """One trader. The exchange's own traders are `internal`: they need no backing and nobody is told of their fills."""

    address: str
    cash_micro: int = 0
    deposited_micro: int = 0
    positions: dict[str, int] = field(default_factory=dict)
    """Shares by token id; never negative for outside accounts."""
    reserved: dict[str, int] = field(default_factory=dict)
    """pUSD behind open buys, by market: the venue lets one dollar back orders in several markets."""
    locked: dict[str, int] = field(default_factory=dict)
    """Shares behind open sales, by token."""
    internal: bool = False
    closed_only: bool = False
    banned: bool = False
    allowance_micro: int | None = None
    """Allowance of the exchange contracts for pUSD; None is unlimited."""

    def shares(self, token_id: str) -> int:
        """Settled shares of a token."""
        return self.positions.get(token_id, 0)

    def add(self, asset: str, micro: int) -> None:
        """Credit (or, negative, debit) pUSD or a token."""
        if asset == CASH:
            self.cash_micro += micro
            return
        left = self.positions.get(asset, 0) + micro
        if left:
            self.positions[asset] = left
        else:
            self.positions.pop(asset, None)

    def free_cash(self, market_id: str) -> int:
        """pUSD that a new buy in this market may use."""
        return self.cash_micro - self.reserved.get(market_id, 0)

    def free_shares(self, token_id: str) -> int:
        """Shares that a new sale of this token may use."""
        return self.positions.get(token_id, 0) - self.locked.get(token_id, 0)
