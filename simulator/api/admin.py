"""Routes under /admin for tests: faults, steps, resolutions, audits. Off by default, and only for loopback clients."""

import asyncio
from collections.abc import Callable
from functools import wraps
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from pipelines.core.errors import ParameterError
from simulator.api.responses import Handler, answer, body_json, guarded
from simulator.engine.accounts import Account
from simulator.engine.audit import audit
from simulator.engine.refusals import Refused
from simulator.faults.catalog import KINDS, Fault
from simulator.faults.profiles import PROFILES, profile
from simulator.faults.schedule import TimedFault, pair_schedule, schedule
from simulator.faults.state import Faults
from simulator.venue.venue import Venue

LOOPBACK = ("127.0.0.1", "::1", "localhost")
MAX_STEPS = 10_000


class Admin:
    """Routes that change the venue from outside its markets."""

    def __init__(self, venue: Callable[[], Venue], faults: Callable[[], Faults]):
        self._venue = venue
        self._faults = faults

    def routes(self) -> list[BaseRoute]:
        """The routes under /admin, with their handlers."""
        table: list[tuple[str, str, Any]] = [
            ("GET", "/admin/faults", self.faults), ("POST", "/admin/faults", self.start_fault),
            ("DELETE", "/admin/faults", self.clear_faults), ("DELETE", "/admin/faults/{name}", self.stop_fault),
            ("POST", "/admin/schedule", self.schedule), ("POST", "/admin/profile", self.profile),
            ("POST", "/admin/step", self.step), ("POST", "/admin/resolve", self.resolve),
            ("POST", "/admin/deposit", self.deposit), ("POST", "/admin/allowance", self.allowance),
            ("POST", "/admin/closed-only", self.closed_only), ("POST", "/admin/ban", self.ban),
            ("POST", "/admin/cancel-on-chain", self.cancel_on_chain),
            ("POST", "/admin/split", self.split), ("POST", "/admin/merge", self.merge),
            ("GET", "/admin/audit", self.audit), ("GET", "/admin/state", self.state),
        ]  # fmt: skip
        return [Route(path, guarded(_loopback(handler)), methods=[method]) for method, path, handler in table]

    async def faults(self, request: Request) -> Response:
        """Faults that are on, the number of scheduled ones, and all kinds and profiles."""
        faults = self._faults()
        faults.advance()
        active = [_shown(fault) for fault in faults.active]
        return answer(
            {"active": active, "scheduled": len(faults.timetable), "kinds": KINDS, "profiles": list(PROFILES)}
        )

    async def start_fault(self, request: Request) -> Response:
        """Switch a fault on."""
        document = await body_json(request, "body is not JSON")
        try:
            return answer(_shown(self._faults().start(document)))
        except ParameterError as error:
            raise Refused(str(error)) from None

    async def stop_fault(self, request: Request) -> Response:
        """Switch a fault off."""
        if not self._faults().stop(request.path_params["name"]):
            raise Refused("fault not found", 404)
        return answer("OK")

    async def clear_faults(self, request: Request) -> Response:
        """Switch all faults off."""
        self._faults().clear()
        return answer("OK")

    async def schedule(self, request: Request) -> Response:
        """Schedule faults by market time: drawn from `seed` (`minutes`, `faults`, `each`, or a `pair`), or `events`.

        It replaces the schedule before; the answer lists the events with their minutes from now.
        """
        document = await _document(request)
        try:
            events = _events(document)
            self._faults().load(events)
        except ParameterError as error:
            raise Refused(str(error)) from None
        return answer({"events": [{"at_min": at, **event} for at, event in events]})

    async def profile(self, request: Request) -> Response:
        """Switch to the fault profile `name` with `seed` (1); all faults before it end."""
        document = await _document(request)
        try:
            self._faults().use(profile(str(document.get("name", ""))), _integer(document, "seed", 1))
        except ParameterError as error:
            raise Refused(str(error)) from None
        return answer("OK")

    async def step(self, request: Request) -> Response:
        """Advance market time by `steps`."""
        document = await _document(request)
        count = document.get("steps", 1)
        if not isinstance(count, int) or not 1 <= count <= MAX_STEPS:
            raise Refused(f"steps was {count!r}; give 1 to {MAX_STEPS}")
        for _ in range(count):
            await self._venue().step()
            await asyncio.sleep(0)
        return answer({"market_time_s": self._venue().now_s})

    async def resolve(self, request: Request) -> Response:
        """Resolve `market` with `payout_yes` base units: 1000000, 0 or 500000."""
        document = await _document(request)
        payout = document.get("payout_yes")
        if payout not in (0, 500_000, 1_000_000):
            raise Refused(f"payout_yes was {payout!r}; give 1000000, 0 or 500000")
        self._venue().resolve(self._market(document), int(payout))
        return answer("OK")

    async def deposit(self, request: Request) -> Response:
        """Deposit `micro` base units of pUSD for `address`."""
        document = await _document(request)
        self._venue().deposit(self._account(document), _micro(document))
        return answer("OK")

    async def allowance(self, request: Request) -> Response:
        """Set the pUSD allowance of `address` to `micro`; null is unlimited."""
        document = await _document(request)
        account = self._account(document)
        account.allowance_micro = None if document.get("micro") is None else _micro(document)
        return answer("OK")

    async def closed_only(self, request: Request) -> Response:
        """Put `address` into closed-only mode (`on`: false takes it out)."""
        document = await _document(request)
        self._account(document).closed_only = document.get("on", True) is True
        return answer("OK")

    async def ban(self, request: Request) -> Response:
        """Ban `address` from trading (`on`: false lifts it)."""
        document = await _document(request)
        self._account(document).banned = document.get("on", True) is True
        return answer("OK")

    async def cancel_on_chain(self, request: Request) -> Response:
        """Cancel the order with this hash (`order`) in the exchange contract, whether it was sent or not."""
        document = await _document(request)
        name = document.get("order")
        if not isinstance(name, str) or len(name) != 66:
            raise Refused(f"order was {str(name)[:80]!r}; give the hash of an order, 0x and 64 hex digits")
        self._venue().exchange.void(name.lower())
        return answer("OK")

    async def split(self, request: Request) -> Response:
        """Turn `micro` base units of pUSD of `address` into pairs of `market`."""
        return await self._pairs(request, "SPLIT")

    async def merge(self, request: Request) -> Response:
        """Turn `micro` base units of pairs of `market` back into pUSD."""
        return await self._pairs(request, "MERGE")

    async def _pairs(self, request: Request, kind: str) -> Response:
        document = await _document(request)
        venue, account, market_id = self._venue(), self._account(document), self._market(document)
        act = venue.exchange.split if kind == "SPLIT" else venue.exchange.merge
        act(account, market_id, _micro(document))
        venue.activity.collateral(kind, account, venue.exchange.markets[market_id], _micro(document), venue.now_s)
        return answer("OK")

    async def audit(self, request: Request) -> Response:
        """Errors in the books; an empty list if money and shares are conserved."""
        return answer({"wrong": audit(self._venue().exchange)})

    async def state(self, request: Request) -> Response:
        """Market time, and the numbers of markets, orders, trades and accounts."""
        venue = self._venue()
        exchange = venue.exchange
        return answer(
            {
                "market_time_s": venue.now_s,
                "markets": len(exchange.markets),
                "open_markets": len(venue.open_markets),
                "open_orders": len(exchange.orders),
                "trades": len(exchange.trades),
                "pending": len(exchange.pending),
                "accounts": sum(not account.internal for account in exchange.accounts.values()),
                "fees_micro": exchange.fees_micro,
            }
        )

    def _account(self, document: dict[str, Any]) -> Account:
        account = self._venue().account_of(str(document.get("address", "")))
        if account is None:
            raise Refused("account not found", 404)
        return account

    def _market(self, document: dict[str, Any]) -> str:
        market_id = str(document.get("market", "")).lower()
        if market_id not in self._venue().exchange.markets:
            raise Refused("market not found", 404)
        return market_id


def _loopback(handler: Handler) -> Handler:
    @wraps(handler)
    async def run(request: Request) -> Response:
        if request.client is None or request.client.host not in LOOPBACK:
            raise Refused("not found", 404)
        return await handler(request)

    return run


async def _document(request: Request) -> dict[str, Any]:
    document = await body_json(request, "body is not JSON")
    if not isinstance(document, dict):
        raise Refused("body is not a JSON object")
    return document


def _integer(document: dict[str, Any], name: str, default: int) -> int:
    value = document.get(name, default)
    if not isinstance(value, int) or isinstance(value, bool) or not abs(value) < 2**53:
        raise ParameterError(f"{name} was {value!r}; give an integer")
    return value


def _events(document: dict[str, Any]) -> list[TimedFault]:
    """The events that a request describes.

    Raises:
        ParameterError: if something is wrong; the text names it, the value received and what to give.
    """
    given, pair, names = document.get("events"), document.get("pair"), document.get("faults", [])
    if given is not None:
        timed = isinstance(given, list) and all(isinstance(row, dict) and _is_time(row.get("at_min")) for row in given)
        if not timed:
            raise ParameterError(
                f"events was {str(given)[:80]!r}; give a list of faults, each with at_min of at least 0"
            )
        return [(float(row["at_min"]), row) for row in given]
    seed, minutes = _integer(document, "seed", 1), _integer(document, "minutes", 60)
    if pair is not None:
        if not isinstance(pair, list) or len(pair) != 2 or pair[0] == pair[1] or not all(p in KINDS for p in pair):
            raise ParameterError(f"pair was {str(pair)[:80]!r}; give the names of two different faults")
        return pair_schedule(seed, (pair[0], pair[1]), minutes)
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ParameterError(f"faults was {str(names)[:80]!r}; give a list of names")
    return schedule(seed, minutes, names, _integer(document, "each", 1))


def _is_time(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < 1e9


def _micro(document: dict[str, Any]) -> int:
    micro = document.get("micro")
    if not isinstance(micro, int) or isinstance(micro, bool) or not 0 < micro < 10**18:
        raise Refused(f"micro was {micro!r}; give base units above 0")
    return micro


def _shown(fault: Fault) -> dict[str, Any]:
    until = None if fault.until_s == float("inf") else fault.until_s
    head = {"name": fault.name, "fault": fault.kind, "until_s": until, "market": fault.market}
    return {**head, **fault.options, **fault.words}
