"""The account as we believe it: a Decimal ledger rebuilt from the journal, and the durable baselines of the limits."""

import json
import threading
from collections.abc import Mapping
from dataclasses import replace

from pipelines.core.domain import Fill, Market, Outcome, Position, Side
from pipelines.core.money import PRICE_SCALE
from pipelines.decision_record import market_document, market_of
from pipelines.trading.ledger import Closed, Ledger
from serving.account.journal import BookedFill, Journal, Settlement

DAY_S = 86_400


class Accounting:
    """Ledger and baselines of one account. Every change is in the journal before it is in memory.

    `first_cash_micro` is the venue's cash when the account is seen for the first time; later starts read the journal.
    """

    def __init__(self, journal: Journal, first_cash_micro: int) -> None:
        self._journal = journal
        self._mutex = threading.RLock()
        facts = journal.facts()
        if "first_cash_micro" not in facts:
            facts |= {"first_cash_micro": first_cash_micro, "adopted_micro": 0}
            journal.set_facts(facts)
        self._facts = facts
        stored = journal.markets()
        self.markets = {market_id: market_of(json.loads(text)) for market_id, (text, _) in stored.items()}
        self.mids: dict[str, int] = {}
        self._ledger = Ledger(facts["first_cash_micro"] + facts["adopted_micro"])
        self._keys: set[tuple[str, str]] = set()
        self._replay(journal.fills(), journal.settlements())
        self._restore_peaks({market_id: peak for market_id, (_, peak) in stored.items()})

    def _replay(self, fills: list[BookedFill], settlements: list[Settlement]) -> None:
        entries: list[BookedFill | Settlement] = [*fills, *settlements]
        for entry in sorted(entries, key=lambda entry: entry.seq):
            if isinstance(entry, BookedFill):
                self.mids[entry.fill.market_id] = entry.yes_mid_units
                self._apply(entry.fill, entry.yes_mid_units, entry.reason)
            else:
                self._ledger.settle(entry.market_id, entry.payout_yes_micro, entry.ts_s)

    def _restore_peaks(self, peaks: Mapping[str, int]) -> None:
        for market_id, position in list(self._ledger.positions.items()):
            peak = peaks.get(market_id, 0)
            if peak > 0:
                self._ledger.mark(market_id, peak if position.outcome is Outcome.YES else PRICE_SCALE - peak)

    def _apply(self, fill: Fill, mid_units: int, reason: str) -> None:
        # One trade may fill several orders of ours; the ledger knows a fill by one id.
        self._ledger.apply(replace(fill, fill_id=f"{fill.fill_id}/{fill.order_id}"), mid_units, reason)
        self._keys.add((fill.fill_id, fill.order_id))

    # Changes

    def know(self, market: Market) -> None:
        """Remember what describes a market that may be traded; what changed of a journaled one is journaled."""
        with self._mutex:
            before = self.markets.get(market.market_id)
            self.markets[market.market_id] = market
            if before is not None and before != market:
                self._journal.describe_market(market.market_id, market_to_json(market))

    def describe(self, market_id: str) -> str:
        """Static data of a market as JSON; empty when it is not known."""
        market = self.markets.get(market_id)
        return json.dumps(market_document(market)) if market else ""

    def book(self, fill: Fill) -> bool:
        """Book a fill once, journal first; False when it was booked before."""
        with self._mutex:
            if (fill.fill_id, fill.order_id) in self._keys or not self._possible(fill):
                return False
            mid = self.mids.get(fill.market_id) or _yes_price(fill)
            if not self._covered(fill):
                return False
            reason = self._journal.order_reason(fill.order_id)
            self._journal.book_fill(fill, mid, reason, self.describe(fill.market_id))
            self.mids.setdefault(fill.market_id, mid)
            self._apply(fill, mid, reason)
            return True

    def _covered(self, fill: Fill) -> bool:
        """Whether what is sold is held. A reversal whose shares are gone already waits until they are back."""
        holding = self._ledger.holdings.get((fill.market_id, fill.outcome))
        held = int(holding.shares * 1_000_000) if holding else 0
        return fill.side is Side.BUY or held >= fill.shares_micro or not fill.fill_id.startswith("void/")

    def _possible(self, fill: Fill) -> bool:
        """A reversal needs the fill that it takes back; a fill that was taken back does not come again."""
        original = fill.fill_id.removeprefix("void/")
        if original != fill.fill_id:
            return (original, fill.order_id) in self._keys
        return True

    def settle(self, market_id: str, payout_yes_micro: int, ts_s: int) -> int:
        """Book the payout of a resolved market; base units that came in, 0 when nothing was held."""
        with self._mutex:
            if not self.held(market_id):
                return 0
            before = self._ledger.cash_micro
            received = self._ledger.settle(market_id, payout_yes_micro, ts_s)
            self._journal.book_settlement(market_id, payout_yes_micro, self._ledger.cash_micro - before, ts_s)
            return received

    def adopt(self, cash_difference_micro: int, why: str) -> None:
        """Take over a difference of cash that the venue's account shows (a deposit, a correction), and say so."""
        with self._mutex:
            self._facts["adopted_micro"] += cash_difference_micro
            for name in ("day_start_micro", "peak_micro"):
                if name in self._facts:
                    self._facts[name] += cash_difference_micro
            self._journal.set_facts(self._facts)
            self._journal.note("adopted", f"{cash_difference_micro / 1e6:+.6f} pUSD: {why}")
            self._ledger.cash += type(self._ledger.cash)(cash_difference_micro) / 1_000_000

    def mark(self, mids: Mapping[str, int], ts_s: int) -> tuple[dict[str, int], dict[str, int]]:
        """Mark to the mids of a closed bar, roll day and peak; (best mids of held tokens, facts) for the journal."""
        with self._mutex:
            self.mids.update(mids)
            for market_id in self._ledger.positions:
                if market_id in mids:
                    self._ledger.mark(market_id, mids[market_id])
            self._roll(ts_s // DAY_S)
            peaks = {market_id: position.peak_units for market_id, position in self._ledger.positions.items()}
            return peaks, dict(self._facts)

    def _roll(self, day: int) -> None:
        equity = self.equity_micro
        if self._facts.get("day") != day:
            self._facts |= {"day": day, "day_start_micro": equity}
        self._facts["peak_micro"] = max(self._facts.get("peak_micro", 0), equity)

    # Readings

    def held(self, market_id: str) -> bool:
        """Whether any token of a market is held."""
        with self._mutex:
            return any((market_id, outcome) in self._ledger.holdings for outcome in Outcome)

    def tokens(self) -> dict[str, int]:
        """Token id -> base units held, of markets whose static data is known."""
        with self._mutex:
            return {
                self.markets[market_id].token(outcome): int(holding.shares * 1_000_000)
                for (market_id, outcome), holding in self._ledger.holdings.items()
                if market_id in self.markets
            }

    @property
    def positions(self) -> dict[str, Position]:
        """Market id -> position, a copy."""
        with self._mutex:
            return dict(self._ledger.positions)

    @property
    def closed(self) -> list[Closed]:
        """Sales and settlements, oldest first."""
        with self._mutex:
            return list(self._ledger.closed)

    @property
    def fills_booked(self) -> int:
        """Number of fills in the books."""
        return len(self._keys)

    @property
    def cash_micro(self) -> int:
        """Cash in base units."""
        return self._ledger.cash_micro

    @property
    def fees_micro(self) -> int:
        """Fees paid since the account was first seen."""
        return int(self._ledger.fees * 1_000_000)

    @property
    def equity_micro(self) -> int:
        """Cash and positions at the last known mids."""
        with self._mutex:
            return self._ledger.equity_micro(self.mids)

    @property
    def first_micro(self) -> int:
        """What the account started with, and what was put in since."""
        return self._facts["first_cash_micro"] + self._facts["adopted_micro"]

    @property
    def day_start_micro(self) -> int:
        """Equity when the market day began; durable."""
        return self._facts.get("day_start_micro", self.first_micro)

    @property
    def peak_micro(self) -> int:
        """Highest equity ever seen; durable."""
        return self._facts.get("peak_micro", self.first_micro)


def _yes_price(fill: Fill) -> int:
    return fill.price_units if fill.outcome is Outcome.YES else PRICE_SCALE - fill.price_units
