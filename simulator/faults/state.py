"""Which faults are on, and what they do to streams, settlement, balances and time."""

import json
import random
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from pipelines.core.errors import ParameterError
from simulator.engine.accounts import CASH, Account
from simulator.engine.errors import Refused
from simulator.engine.matching import crosses
from simulator.engine.orders import Order, Trade, TradeStatus
from simulator.faults.catalog import ONCE, Fault, parse
from simulator.venue.venue import Venue

POST_ONLY_S = 120.0


class Faults:
    """The faults of one venue. Everything random comes from one seed."""

    def __init__(self, venue: Venue, seed: int = 1, clock: Callable[[], float] = time.time):
        self.venue = venue
        self.clock = clock
        self.active: list[Fault] = []
        self._random = random.Random(seed)  # noqa: S311 - reproducible faults, no secrets
        self._count = 0
        self._script: list[tuple[float, dict[str, Any]]] = []
        self._balances: dict[tuple[str, str], int] = {}
        self._held: dict[int, list[str]] = {}
        venue.settlement.fate = self._fate
        venue.delay = self._delay

    # -- switching

    def start(self, document: Any) -> Fault:
        """Switch a fault on; those that happen once are done at once.

        Raises:
            ParameterError: if the fault is unknown or an option is wrong.
        """
        self._count += 1
        fault = parse(document, f"fault-{self._count}", self.clock())
        if fault.kind in ONCE:
            self._happen(fault)
            return fault
        if fault.kind == "clock_skew":
            self.venue.skew_s = fault.number("skew_s", 30.0)
        self.active.append(fault)
        return fault

    def stop(self, name: str) -> bool:
        """Switch a fault off; whether it was on."""
        found = [fault for fault in self.active if fault.name == name]
        for fault in found:
            self._end(fault)
        return bool(found)

    def clear(self) -> None:
        """Switch everything off."""
        for fault in list(self.active):
            self._end(fault)

    def _end(self, fault: Fault) -> None:
        self.active.remove(fault)
        if fault.kind == "clock_skew":
            self.venue.skew_s = 0.0
        if fault.kind == "stale_balance":
            self._balances.clear()
        if fault.kind == "restart":
            self.start({"fault": "post_only", "for_s": fault.number("post_only_s", POST_ONLY_S)})

    def script(self, path: Path) -> None:
        """Schedule faults from a file: {"seed": 1, "events": [{"at_s": 5, "fault": "restart", "for_s": 2}]}.

        Raises:
            ParameterError: if the file cannot be read or an event is wrong.
        """
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
            events = [(float(event["at_s"]), event) for event in document["events"]]
            self._random.seed(int(document.get("seed", 1)))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ParameterError(
                f"--faults {path} cannot be used ({error!r}); give JSON as docs/simulator.md shows"
            ) from None
        for _, event in events:
            parse(event, "", 0.0)
        begin = self.clock()
        self._script = sorted(((begin + at, event) for at, event in events), key=lambda pair: pair[0])

    def advance(self) -> None:
        """Begin what is scheduled and end what is over."""
        now = self.clock()
        while self._script and self._script[0][0] <= now:
            self.start(self._script.pop(0)[1])
        for fault in [f for f in self.active if f.until_s <= now]:
            self._end(fault)

    def strikes(self, *kinds: str) -> Fault | None:
        """The first of these faults that is on and strikes now."""
        self.advance()
        for fault in self.active:
            if fault.kind in kinds and (fault.probability >= 1 or self._random.random() < fault.probability):
                if fault.left > 0:
                    fault.left -= 1
                    if fault.left == 0:
                        self._end(fault)
                return fault
        return None

    def choose(self, texts: Sequence[str]) -> str:
        """One of some texts, drawn from the seed."""
        return self._random.choice(texts)

    def obstruct(self, order: Order) -> None:
        """Refuse a crossing order when a fault says so.

        Raises:
            Refused: with the venue's text.
        """
        if not self.active or not crosses(self.venue.exchange.markets[order.market_id].book, order):
            return
        if self.strikes("match_delayed"):
            raise Refused("order match delayed due to market conditions")
        if self.strikes("crossing_refused"):
            raise Refused(f"order {order.order_id} crosses the book")

    # -- once

    def _happen(self, fault: Fault) -> None:
        market = self.venue.exchange.markets.get(fault.market)
        if market is None:
            raise ParameterError(f"market was {fault.market!r}; give the condition id of a listed market")
        if fault.kind == "tick_change":
            self.venue.change_tick(market, int(fault.number("tick_units", 10)))
        else:
            self.venue.close_market(fault.market)

    # -- what faults do to the rest

    def _fate(self, trade: Trade) -> TradeStatus:
        if self.strikes("settlement_fails"):
            return TradeStatus.FAILED
        return TradeStatus.RETRYING if self.strikes("settlement_retries") else TradeStatus.CONFIRMED

    def _delay(self, order: Order) -> float:
        for fault in self.active:
            if fault.kind == "sports_delay" and fault.market in ("", order.market_id):
                return fault.number("delay_s", 1.0)
        return 0.0

    def balance(self, account: Account, asset: str) -> int:
        """Balance that the venue reports: the settled one, or a stale one."""
        micro = account.cash_micro if asset == CASH else account.shares(asset)
        if not self.strikes("stale_balance"):
            return micro
        return self._balances.setdefault((account.address, asset), micro)

    def refresh_balances(self, account: Account) -> None:
        """Read an account's balances again."""
        self._balances = {key: micro for key, micro in self._balances.items() if key[0] != account.address}

    def stream(self, connection: object, batch: list[str]) -> list[str] | None:
        """What a WebSocket carries instead of a batch; None drops the connection."""
        if not self.active:
            return batch
        if self.strikes("ws_drop"):
            return None
        if self.strikes("ws_freeze"):
            return []
        if self.strikes("ws_duplicate"):
            batch = [message for message in batch for _ in range(2)]
        if self.strikes("ws_reorder"):
            return self._reorder(id(connection), batch)
        return batch

    def _reorder(self, key: int, batch: list[str]) -> list[str]:
        held = self._held.pop(key, None)
        if held is None and len(batch) < 2:
            self._held[key] = batch
            return []
        shuffled = batch + (held or [])
        self._random.shuffle(shuffled)
        return shuffled
