"""Public trades of outside takers. The trades of noise traders come from the source of the markets."""

from collections import defaultdict
from dataclasses import dataclass

from pipelines.core.domain import Side


@dataclass(frozen=True, slots=True)
class PublicTrade:
    """A trade of an outside taker, in the taker's token."""

    ts_s: int
    token_id: str
    side: Side
    price_units: int
    shares_micro: int
    wallet: str
    trade_id: str


class Tape:
    """Trades of outside takers by market, oldest first."""

    def __init__(self) -> None:
        self._outside: defaultdict[str, list[PublicTrade]] = defaultdict(list)

    def record(self, market_id: str, trade: PublicTrade) -> None:
        """Add a trade."""
        self._outside[market_id].append(trade)

    def outside(self, market_id: str) -> list[PublicTrade]:
        """Trades of outside takers in a market, oldest first."""
        return self._outside.get(market_id, [])

    def rows(self) -> dict[str, list[PublicTrade]]:
        """All trades by market id."""
        return dict(self._outside)

    def restore(self, rows: dict[str, list[PublicTrade]]) -> None:
        """Replace all trades."""
        self._outside = defaultdict(list, rows)
