"""The account as we believe it: a Decimal ledger rebuilt from the journal, and the durable baselines of the limits."""

import json
import threading
import time
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from pipelines.core import log
from pipelines.core.domain import Fill, FillState, Market, Outcome, Position, Quote, Side
from pipelines.core.errors import DataError
from pipelines.core.money import MICRO, PRICE_SCALE, notional_micro
from pipelines.decision_record import market_document, market_of
from pipelines.trading import kernel
from pipelines.trading.ledger import Closed, Ledger
from pipelines.trading.order_states import PROVISIONAL, fill_moved
from serving.account import bookings
from serving.account.bookings import Key, key_of
from serving.account.journal import BookedFill, CashFlow, Decided, Journal, Settlement

DAY_S = 86_400

EXTERNAL: Final = frozenset({"DEPOSIT", "WITHDRAWAL"})
"""Kinds of cash that the owner moves: no profit and no loss, so that the baselines move with them."""

FACTS: Final = ("first_cash_micro", "adopted_micro", "day", "day_start_micro", "peak_micro", "tripped")
"""Durable numbers that the accounting keeps and writes; the journal has others of other parts."""

RESET: Final = {"day": "day_start_micro", "peak": "peak_micro", "breaker": "tripped"}
"""Kind of a request -> the fact that it resets."""

_log = log.get("accounting")


class Accounting:
    """Ledger and baselines of one account. Every change is in the journal before it is in memory.

    `first_cash_micro` is the venue's cash when the account is seen for the first time; later starts read the journal.
    """

    def __init__(self, journal: Journal, first_cash_micro: int) -> None:
        self._journal = journal
        self._mutex = threading.RLock()
        facts = {name: value for name, value in journal.facts().items() if name in FACTS}
        if "first_cash_micro" not in facts:
            facts |= {"first_cash_micro": first_cash_micro, "adopted_micro": 0}
            journal.set_facts(facts)
        self._facts = facts
        stored = journal.markets()
        self.markets = {market_id: market_of(json.loads(text)) for market_id, (text, _) in stored.items()}
        self.mids: dict[str, int] = {}
        self._flows = {flow.flow_id: flow for flow in journal.flows()}
        flows_micro = sum(flow.cash_micro for flow in self._flows.values())
        self._ledger = Ledger(facts["first_cash_micro"] + facts["adopted_micro"] + flows_micro)
        self._keys: set[Key] = set()
        self._undone = bookings.Undone()
        self._states = journal.fill_states()
        self._provisional: dict[Key, Fill] = {}
        self._trusted: dict[str, tuple[int, int]] = {}
        """Market id -> (mid, market time) of the last book that showed a price."""
        self.aside: dict[Key, tuple[Fill, float]] = {}
        """Sales of shares that the books do not hold, with the monotonic time at which they were first seen."""
        self._paid: dict[str, int] = {}
        """Market id -> what YES paid, of the markets that are settled so far."""
        self._replay(journal.fills(), journal.settlements(), journal.decided())
        self._restore_peaks({market_id: peak for market_id, (_, peak) in stored.items()})

    def _replay(self, fills: list[BookedFill], settlements: list[Settlement], decided: list[Decided]) -> None:
        entries: list[BookedFill | Settlement | Decided] = [*fills, *settlements, *decided]
        # In the order of booking and not of market time: that order is what the running bot saw.
        for entry in sorted(entries, key=lambda entry: entry.seq):
            if isinstance(entry, BookedFill):
                self.mids[entry.fill.market_id] = entry.yes_mid_units
                if self._short_micro(entry.fill) > 0:
                    self._adopt_in_kind(entry.fill, entry.yes_mid_units, entry.seq - 1)
                state = self._states.get(key_of(entry.fill), FillState.CONFIRMED)
                self._apply(replace(entry.fill, state=state), entry.yes_mid_units, entry.reason)
            elif isinstance(entry, Decided):
                self._ledger.decide(entry.market_id, entry.payout_yes_micro)
            else:
                self._ledger.settle(entry.market_id, entry.payout_yes_micro, entry.ts_s)
                self._paid[entry.market_id] = entry.payout_yes_micro

    def _restore_peaks(self, peaks: Mapping[str, int]) -> None:
        for market_id, position in list(self._ledger.positions.items()):
            peak = peaks.get(market_id, 0)
            if peak > 0:
                self._ledger.mark(market_id, peak if position.outcome is Outcome.YES else PRICE_SCALE - peak)

    def _apply(self, fill: Fill, mid_units: int, reason: str) -> None:
        # One trade may fill several orders of ours; the ledger knows a fill by one id.
        # An unknown market has no minimum here: its fills are booked all the same.
        market = self.markets.get(fill.market_id)
        booked = replace(fill, fill_id=f"{fill.fill_id}/{fill.order_id}")
        self._ledger.apply(booked, mid_units, reason, market.min_size_micro if market else 0)
        self._keys.add(key_of(fill))
        self._undone.count(*key_of(fill))
        self._follow(fill)

    def _follow(self, fill: Fill) -> None:
        """Remember a purchase while its shares are not in the wallet yet."""
        kind, name = bookings.original(fill.fill_id)
        key = (name, fill.order_id)
        if fill.side is Side.BUY and fill.state in PROVISIONAL and kind != "void" and not self._undone.now(key):
            self._provisional[key] = fill
        else:
            self._provisional.pop(key, None)

    # Changes

    def know(self, market: Market) -> None:
        """Remember what describes a market that may be traded; what changed of a journaled one is journaled."""
        with self._mutex:
            before = self.markets.get(market.market_id)
            self.markets[market.market_id] = market
            # A market that was never journaled is described with its first order; all others would only fill the disk.
            if before is not None and before != market:
                self._journal.describe(market.market_id, self.describe(market.market_id))

    def describe(self, market_id: str) -> str:
        """Static data of a market as JSON; empty when it is not known."""
        market = self.markets.get(market_id)
        return json.dumps(market_document(market)) if market else ""

    def book(self, fill: Fill) -> bool:
        """Book a fill once, journal first; False when it was booked before.

        A fill whose trade failed is taken back. One that was taken back is booked again when the venue lists it after
        all, after a failure only when it is confirmed. A sale of shares that the books do not hold is set `aside`.
        """
        with self._mutex:
            kind, name = bookings.original(fill.fill_id)
            key = (name, fill.order_id)
            if kind:
                return key in self._keys and not self._undone.now(key) and self._take_back(fill, key)
            if fill.state is FillState.FAILED:
                return self._fail(fill)
            if key in self._keys:
                return self._learn(fill)
            # After a failure a late MATCHED message proves nothing.
            if self._states.get(key) is FillState.FAILED and fill.state is not FillState.CONFIRMED:
                return False
            return self._write(fill)

    def book_known(self, fills: Sequence[Fill]) -> tuple[list[Fill], list[Fill]]:
        """Take in what the stream says of several fills with two transactions at most: how far those that are booked
        have settled, and new ones that nothing speaks against. Those that were booked now, and those that say more, in
        their order, for `book`.
        """
        with self._mutex:
            moved: dict[Key, Fill] = {}
            fresh: dict[Key, Fill] = {}
            rest: list[Fill] = []
            left: set[Key] = set()
            for fill in fills:
                key = key_of(fill)
                if key not in left | fresh.keys() and self._only_moves(fill):
                    before = moved[key].state if key in moved else self._states.get(key, FillState.MATCHED)
                    moved[key] = replace(fill, state=fill_moved(before, fill.state))
                elif key not in left | fresh.keys() and self._is_fresh(fill, fresh.values()):
                    fresh[key] = fill
                else:
                    rest.append(fill)
                    left.add(key)
            self._set_states([one for key, one in moved.items() if one.state is not self._states.get(key)])
            for fill in moved.values():
                self._follow(fill)
            self._write_all(list(fresh.values()))
            return list(fresh.values()), rest

    def _only_moves(self, fill: Fill) -> bool:
        """Whether a fill is booked, and what is said of it can only be how far it has settled."""
        key = key_of(fill)
        return key in self._keys and not self._undone.now(key) and fill.state is not FillState.FAILED

    def _is_fresh(self, fill: Fill, others: Iterable[Fill]) -> bool:
        """Whether a fill is new, did not fail, and sells nothing that the books lack after others of its batch."""
        key = key_of(fill)
        if key in self._keys or FillState.FAILED in (fill.state, self._states.get(key)):
            return False
        sold = sum(one.shares_micro for one in others if one.side is Side.SELL and one.token_id == fill.token_id)
        return self._short_micro(fill) + (sold if fill.side is Side.SELL else 0) <= 0

    def _take_back(self, void: Fill, key: Key) -> bool:
        times = self._undone.times("void", key)
        return self._write(replace(void, fill_id=f"void{times or ''}/{key[0]}"))

    def _fail(self, fill: Fill) -> bool:
        """A trade failed for good: its fill is taken back if it was booked, and not booked by a late message."""
        key = key_of(fill)
        before = self._states.get(key, FillState.MATCHED)
        if fill_moved(before, FillState.FAILED) is not FillState.FAILED:
            _log.error("a confirmed trade is called failed; it stays booked", fill=fill.fill_id)
            return False
        if before is not FillState.FAILED:
            self._set_state(fill)
        if key in self._keys and not self._undone.now(key) and self._take_back(bookings.reversal(fill), key):
            _log.error("a matched trade failed and was taken back", fill=fill.fill_id)
        return False

    def _learn(self, fill: Fill) -> bool:
        """What a repeated fill says about its settlement; True when it was booked again."""
        key = key_of(fill)
        before = self._states.get(key, FillState.MATCHED)
        after = fill_moved(before, fill.state)
        if after is not before:
            self._set_state(replace(fill, state=after))
            self._follow(replace(fill, state=after))
        if not self._undone.now(key) or after is FillState.FAILED:
            return False
        if not self._write(bookings.again(replace(fill, state=after), self._undone.times("redo", key))):
            return False
        _log.warning("a fill that was taken back did happen and is booked again", fill=fill.fill_id)
        return True

    def _set_state(self, fill: Fill) -> None:
        self._set_states([fill])

    def _set_states(self, fills: Sequence[Fill]) -> None:
        if fills:
            self._journal.note_fill_states(fills)
            self._states |= {key_of(fill): fill.state for fill in fills}

    def _write(self, fill: Fill) -> bool:
        if self._short_micro(fill) > 0:
            # A reversal whose shares are gone already waits until they are back. A sale that happened after all may
            # have lost its shares to the payout of its market meanwhile.
            if bookings.original(fill.fill_id)[0] != "void":
                self.aside.setdefault(key_of(fill), (fill, time.monotonic()))
            return False
        self._write_all([fill])
        return True

    def _write_all(self, fills: Sequence[Fill]) -> None:
        """Book fills whose shares are there, all in one transaction of the journal."""
        if not fills:
            return
        mids = [self.mids.get(fill.market_id) or _yes_price(fill) for fill in fills]
        reasons = [self._journal.order_reason(fill.order_id) for fill in fills]
        booked = list(zip(fills, mids, reasons, strict=True))
        # Journal first: a crash between the two leaves a journal from which memory is rebuilt.
        self._journal.book_fills(
            [(BookedFill(*row, time.time_ns()), self.describe(row[0].market_id)) for row in booked]
        )
        refused: DataError | None = None
        for fill, mid, reason in booked:
            self.aside.pop(key_of(fill), None)
            self.mids.setdefault(fill.market_id, mid)
            try:
                self._apply(fill, mid, reason)
            except DataError as error:  # it keeps none of the others, which are journaled too, out of the ledger
                refused = refused or error
                continue
            if not bookings.original(fill.fill_id)[0]:
                self._states[key_of(fill)] = fill.state
        if refused is not None:
            raise refused

    def _short_micro(self, fill: Fill) -> int:
        """Shares that a fill sells and the books do not hold."""
        holding = self._ledger.holdings.get((fill.market_id, fill.outcome))
        held = int(holding.shares * 1_000_000) if holding else 0
        return fill.shares_micro - held if fill.side is Side.SELL else 0

    def adopt_aside(self, older_than_s: float) -> list[str]:
        """Book the sales that were set aside for so long: their shares came from outside. A line each for people."""
        with self._mutex:
            lines = []
            for fill, since in list(self.aside.values()):
                if self._short_micro(fill) > 0:
                    if time.monotonic() - since < older_than_s:
                        continue
                    lines.append(self._adopt_in_kind(fill, self.mids.get(fill.market_id) or _yes_price(fill)))
                self._write(fill)
            return lines

    def _adopt_in_kind(self, fill: Fill, mid_units: int, seq: int | None = None) -> str:
        """Book the shares of a sale that the books do not hold; the line for people. They came from outside, a deposit
        of their value and no profit, or their market was settled before the sale came to light."""
        short = self._short_micro(fill)
        line = f"{short / 1e6:g} {fill.outcome} shares of {fill.market_id} were sold"
        if fill.market_id in self._paid:
            shares, line = self._unpaid(fill, short, line)
        else:
            shares = bookings.in_kind(fill, short)
            self.adopt(notional_micro(short, fill.price_units), f"{line} and never bought here: their value")
            line = f"{line} and never bought here; they are adopted at the price of the sale"
        self._journal.book_fill(shares, mid_units, "adopted", self.describe(fill.market_id), seq)
        self._apply(shares, mid_units, "adopted")
        return line

    def _unpaid(self, fill: Fill, short: int, line: str) -> tuple[Fill, str]:
        """Shares that had been sold when a payout was booked for them: the purchase that takes the payout back."""
        payout_yes = self._paid[fill.market_id]
        each = payout_yes if fill.outcome is Outcome.YES else MICRO - payout_yes
        paid = short * each // MICRO
        priced = replace(bookings.in_kind(fill, short), price_units=each * PRICE_SCALE // MICRO)
        line = f"{line} before it was decided; the {paid / MICRO:,.2f} pUSD booked as their payout are taken back"
        return bookings.exactly(priced, -paid), line

    def settle(self, market_id: str, payout_yes_micro: int, ts_s: int) -> int:
        """Book the payout of a resolved market; base units that came in, 0 when nothing was held."""
        with self._mutex:
            if not self.held(market_id):
                self._ledger.redeemable.pop(market_id, None)
                return 0
            before = self._ledger.cash_micro
            # Memory first, because the ledger computes the amount; a crash in between settles again from the venue's
            # payout.
            received = self._ledger.settle(market_id, payout_yes_micro, ts_s)
            self._journal.book_settlement(market_id, payout_yes_micro, self._ledger.cash_micro - before, ts_s)
            self._paid[market_id] = payout_yes_micro
            return received

    def decide(self, market_id: str, payout_yes_micro: int, ts_s: int) -> None:
        """A held market is decided and its payout is still to come: it is no position, and no cash, any more."""
        with self._mutex:
            if self.held(market_id) and market_id not in self._ledger.redeemable:
                self._journal.book_decided(market_id, payout_yes_micro, ts_s)
                self._ledger.decide(market_id, payout_yes_micro)

    def book_flow(self, flow: CashFlow) -> bool:
        """Book cash that no trade explains, once. What the owner moved moves the baselines; all else is P&L."""
        with self._mutex:
            if flow.flow_id in self._flows or not self._journal.book_flow(flow):
                return False
            self._flows[flow.flow_id] = flow
            if flow.kind in EXTERNAL:
                self._move_baselines(flow.cash_micro)
                self._journal.set_facts(self._facts)
            self._journal.note("cash", f"{flow.cash_micro / 1e6:+.6f} pUSD: {flow.kind}")
            self._ledger.cash += type(self._ledger.cash)(flow.cash_micro) / 1_000_000
            return True

    def knows_flow(self, flow_id: str) -> bool:
        """Whether a flow is booked."""
        return flow_id in self._flows

    def _move_baselines(self, micro: int) -> None:
        for name in ("day_start_micro", "peak_micro"):
            if name in self._facts:
                self._facts[name] += micro

    def adopt(self, cash_difference_micro: int, why: str) -> None:
        """Take over a difference of cash that the venue's account shows (a deposit, a correction), and say so."""
        with self._mutex:
            self._facts["adopted_micro"] += cash_difference_micro
            self._move_baselines(cash_difference_micro)
            self._journal.set_facts(self._facts)
            self._journal.note("adopted", f"{cash_difference_micro / 1e6:+.6f} pUSD: {why}")
            self._ledger.cash += type(self._ledger.cash)(cash_difference_micro) / 1_000_000

    def references(self, quotes: Mapping[str, Quote], mids: Mapping[str, int], ts_s: int) -> dict[str, tuple[int, int]]:
        """Market id -> (`kernel.fair_units` at a closed bar, market seconds since a book of it was last trusted)."""
        with self._mutex:
            found = {}
            for market_id, quote in quotes.items():
                mid = mids.get(market_id, quote.mid_units)
                if kernel.is_trusted(quote.bid_units, quote.ask_units):
                    self._trusted[market_id] = (mid, ts_s)
                last, since_s = self._trusted.setdefault(market_id, (self.mids.get(market_id, 0), ts_s))
                fair = kernel.fair_units(last, mid, quote.bid_units, quote.ask_units)
                found[market_id] = (fair, ts_s - since_s)
            return found

    def mark(
        self, mids: Mapping[str, int], ts_s: int, untrusted: Collection[str] = ()
    ) -> tuple[dict[str, int], dict[str, int]]:
        """Mark to the fair mids of a closed bar, roll day and peak; (best mids of held tokens, facts) for the journal.

        While the book of a position is `untrusted` (one side, or too wide), nothing that lasts is rolled.
        """
        with self._mutex:
            self.mids.update(mids)
            for market_id in self._ledger.positions:
                if market_id in mids and market_id not in untrusted:
                    self._ledger.mark(market_id, mids[market_id])
            # A false peak would stay for ever and trip the drawdown limit; a day's start would be wrong all day.
            if not any(market_id in untrusted for market_id in self._ledger.positions):
                self._roll(ts_s // DAY_S)
            self._answer_requests()
            peaks = {market_id: position.peak_units for market_id, position in self._ledger.positions.items()}
            return peaks, dict(self._facts)

    def _roll(self, day: int) -> None:
        equity = self.equity_micro
        if self._facts.get("day") != day:
            self._facts |= {"day": day, "day_start_micro": equity}
        self._facts["peak_micro"] = max(self._facts.get("peak_micro", 0), equity)

    def _answer_requests(self) -> None:
        """Reset what people asked to reset (`serving.account.requests`), and write what it changed."""
        for one in self._journal.requests(tuple(RESET)):
            name = RESET[one.kind]
            before, after = self._facts.get(name, 0), 0 if name == "tripped" else self.equity_micro
            self._facts[name] = after
            self._journal.set_facts({name: after})
            text = f"{one.kind} of {one.asked_by}: {name} {before} -> {after}"
            self._journal.finish_request(one.number, text)
            self._journal.note("reset", text)
            _log.warning("reset", request=text)

    def trip(self, why: str) -> None:
        """Stop all buying until a person releases the breaker; durable."""
        with self._mutex:
            self._facts["tripped"] = 1
            self._journal.set_facts({"tripped": 1})
            self._journal.note("breaker", why)
            _log.error("the breaker of the orders was tripped", why=why)

    # Readings

    @property
    def tripped(self) -> bool:
        """Whether the breaker of the orders is tripped."""
        return bool(self._facts.get("tripped", 0))

    @property
    def redeemable(self) -> dict[str, int]:
        """Market id -> what a YES share pays, of decided markets whose payout has not come in."""
        with self._mutex:
            return dict(self._ledger.redeemable)

    @property
    def income_micro(self) -> dict[str, int]:
        """Kind -> cash that no trade explains and that is P&L: rewards, rebates, what nobody could name."""
        with self._mutex:
            total = Counter[str]()
            for flow in self._flows.values():
                if flow.kind not in EXTERNAL:
                    total[flow.kind] += flow.cash_micro
            return dict(total)

    def held(self, market_id: str) -> bool:
        """Whether any token of a market is held."""
        with self._mutex:
            return any((market_id, outcome) in self._ledger.holdings for outcome in Outcome)

    def held_markets(self) -> set[str]:
        """Ids of the markets of which any share is held and no payout is on its way, however few."""
        with self._mutex:
            return {market_id for market_id, _ in self._ledger.holdings} - self._ledger.redeemable.keys()

    def markets_of_pairs(self) -> list[Market]:
        """Markets of which both tokens are held and no payout is on its way."""
        with self._mutex:
            held = self.held_markets() & self.markets.keys()
            return [self.markets[one] for one in sorted(held) if self._ledger.pairs_micro(one)]

    def tokens(self) -> dict[str, int]:
        """Token id -> base units held, of markets whose static data is known."""
        with self._mutex:
            return {
                self.markets[market_id].token(outcome): int(holding.shares * 1_000_000)
                for (market_id, outcome), holding in self._ledger.holdings.items()
                if market_id in self.markets
            }

    def shares_micro(self, token_id: str) -> int:
        """Base units of a token in the books; 0 where none are held."""
        return self.tokens().get(token_id, 0)

    @property
    def positions(self) -> dict[str, Position]:
        """Market id -> position, a copy."""
        with self._mutex:
            found = dict(self._ledger.positions)
            waiting = Counter[tuple[str, Outcome]]()
            for fill in self._provisional.values():
                waiting[fill.market_id, fill.outcome] += fill.shares_micro
            for market_id, position in found.items():
                micro = min(waiting[market_id, position.outcome], position.shares_micro)
                if micro:
                    found[market_id] = replace(position, provisional_micro=micro)
            return found

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
        moved = sum(flow.cash_micro for flow in self._flows.values() if flow.kind in EXTERNAL)
        return self._facts["first_cash_micro"] + self._facts["adopted_micro"] + moved

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
