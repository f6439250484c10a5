"""Accounts: cash, positions, and what open orders reserve. Amounts are base units (1e-6)."""

from dataclasses import dataclass, field

CASH = ""
"""Asset name of pUSD in a list of assets; all other assets are named by their token id."""


@dataclass(slots=True, eq=False)
class Account:
    """One trader. `internal` accounts are the exchange's own: their orders need no backing and cause no messages."""

    address: str
    cash_micro: int = 0
    deposited_micro: int = 0
    positions: dict[str, int] = field(default_factory=dict)
    """Shares by token id; never negative for outside accounts."""
    reserved: dict[str, int] = field(default_factory=dict)
    """pUSD reserved for open buys, by market. Reserves of different markets may overlap, as on the venue."""
    locked: dict[str, int] = field(default_factory=dict)
    """Shares reserved for open sales, by token."""
    internal: bool = False
    closed_only: bool = False
    banned: bool = False
    allowance_micro: int | None = None
    """pUSD that the exchange contracts may take from the account; None means unlimited."""

    def shares(self, token_id: str) -> int:
        """Settled shares of a token."""
        return self.positions.get(token_id, 0)

    def add(self, asset: str, micro: int) -> None:
        """Credit pUSD (`CASH`) or a token; a negative amount is a debit."""
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
