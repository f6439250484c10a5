"""Real orders: one account of the CLOB. Simulated and live differ in the URL alone.

Orders are built and posted by us with a client library's signer and headers: the library's own posting polls for
settlement up to 30 s after a match, and its amounts pass through floats.
"""

import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

import stamina
from eth_account import Account

from pipelines.core import log
from pipelines.core.artifacts import write_secret
from pipelines.core.domain import FeeSchedule, Fill, FillState, Market, Outcome, Side
from pipelines.core.errors import SettingError, VenueError, VenueForbidden, VenueUnavailable
from pipelines.core.orders import CancelResult, OpenOrder, OrderGateway, OrderIntent, PlaceResult, SignedOrder
from pipelines.core.settings import Mode, Settings
from pipelines.venue import answers, wallet_batches, wallets
from pipelines.venue.client_v2 import ClientV2
from pipelines.venue.clients import Client, Credentials, Refused
from pipelines.venue.wallet_batches import WalletBatches

__all__ = ["ClobGateway", "Credentials"]

# A library that eth_account loads raises Python's recursion limit a hundredfold. Nested JSON, whoever sends it, would
# then overflow the stack of the process that trades instead of being refused.
sys.setrecursionlimit(1_000)

T = TypeVar("T")

_CANCELS_PER_REQUEST: Final = 1_000

_LINES_KEPT: Final = 20

UNREADABLE: Final = (KeyError, TypeError, ValueError, ArithmeticError, AttributeError)
"""What reading an odd row raises, apart from a `VenueError` of its label."""


class ClobGateway(OrderGateway):
    """An `OrderGateway` of the CLOB. Blocking; the bot calls it in a thread."""

    def __init__(self, client: Client, batches: WalletBatches | None = None) -> None:
        """Create or derive the API key of the client's account; `batches` redeem, split and merge.

        Raises:
            VenueError: if the venue refuses the credentials, is forbidden, or does not answer.
        """
        self._client = client
        self.batches = batches or WalletBatches(None, "no relayer is set")
        self.credentials = _read(client.login)
        self._fees: dict[str, FeeSchedule] = {}
        self._versions: dict[str, str] = {}
        self._outcomes: dict[str, Outcome] = {}
        self._asked: dict[str, Mapping[str, Any]] = {}
        self._failed: list[Fill] = []
        self._left_out: list[str] = []
        self._heartbeat_id = ""
        self._answered, self._contested = False, 0

    @classmethod
    def connect(cls, settings: Settings, markets: Iterable[Market] = ()) -> "ClobGateway":
        """The gateway that the settings describe. Simulated mode without a key makes one for this start.

        Raises:
            SettingError: if real orders lack the word yes or the key, or if simulated ones would go to a real venue.
        """
        settings.refuse_simulated_orders_elsewhere()
        if settings.mode is not Mode.SIMULATED and settings.live != "yes":
            raise SettingError(
                f"real orders need ODDSMITH_LIVE=yes in addition to the mode; ODDSMITH_LIVE was {settings.live!r}"
            )
        if settings.private_key is not None:
            key = settings.private_key.get_secret_value()
        elif settings.mode is Mode.SIMULATED:
            key, settings = _throw_away(settings)
        else:
            raise SettingError("real orders need a key; set ODDSMITH_PRIVATE_KEY")
        client = _client(settings, key)
        gateway = cls(client, wallet_batches.of_settings(settings, key, settings.signature_type, client.funder))
        gateway.know(markets)
        return gateway

    @property
    def account(self) -> str:
        """Address that holds the funds."""
        return self._client.funder

    def know(self, markets: Iterable[Market]) -> None:
        """Remember fees, versions and tokens, so that no request for them precedes an order or a fill."""
        for market in markets:
            self._fees[market.market_id] = market.fee
            self._outcomes |= {market.token_yes: Outcome.YES, market.token_no: Outcome.NO}
            self._versions |= {market.token_yes: market.version, market.token_no: market.version}

    def prepare(self, intent: OrderIntent) -> SignedOrder:
        """Sign a limit order; no network."""
        order_id, body = self._client.sign(intent)
        return SignedOrder(order_id.lower(), intent, body)

    def place(self, order: SignedOrder) -> PlaceResult:
        """Send once, never repeated here: a repeat is the caller's decision after a look-up by `order_id`."""
        body = {"order": order.payload["order"], "owner": self.credentials.api_key, **order.payload}
        try:
            answer = self._client.post(body)
        except Refused as refusal:
            result = answers.refused(order.order_id, refusal.status_code, refusal.message)
            if "order version" in result.reason or "order_version" in result.reason:
                log.get("gateway").error("order version refused", market=order.intent.market_id, reason=result.reason)
            if "not enough balance" in result.reason.lower():
                self.refresh_balance(order.intent.token_id if order.intent.side is Side.SELL else "")
            return result
        return answers.placed(order.order_id, order.intent.side, answer)

    def cancel(self, order_ids: Sequence[str]) -> CancelResult:
        """Cancel these orders; repeating it is safe."""
        cancelled: list[str] = []
        refused: dict[str, str] = {}
        for begin in range(0, len(order_ids), _CANCELS_PER_REQUEST):
            some = list(order_ids[begin : begin + _CANCELS_PER_REQUEST])
            part = _read(lambda some=some: _cancelled(self._client.cancel(some)))  # type: ignore[misc]
            cancelled += part.cancelled
            refused |= part.not_cancelled
        return CancelResult(tuple(cancelled), refused)

    def cancel_all(self) -> CancelResult:
        """Cancel every open order of this account."""
        return _read(lambda: _cancelled(self._client.cancel_all()))

    def open_orders(self) -> list[OpenOrder]:
        """All resting orders."""
        return [order for row in _read(self._client.open_orders) if (order := self._open(row)) is not None]

    def order(self, order_id: str) -> OpenOrder | None:
        """A resting order; None when the venue does not list it as open."""
        try:
            row = _read(lambda: self._client.order(order_id))
        except VenueError as error:
            if "404" in str(error):
                return None
            raise
        return self._open(row)

    def _open(self, row: Any) -> OpenOrder | None:
        """A row of open orders. One that cannot be read and has an id is still an order that rests."""
        if not isinstance(row, Mapping) or not row.get("id"):
            return None
        try:
            return answers.open_order(row, self._outcome)
        except (VenueForbidden, VenueUnavailable):
            raise
        except (*UNREADABLE, VenueError) as error:
            self._leave_out("an open order", row, error)
            order_id, market, token = str(row["id"]).lower(), str(row.get("market")), str(row.get("asset_id"))
            return OpenOrder(order_id, market, token, Outcome.YES, Side.BUY, 0, 0, 0, "unreadable", 0)

    def trades(self, after_s: int) -> list[Fill]:
        """Our fills at or after a time, oldest first. A row that cannot be read is left out and named (`left_out`)."""
        rows = _read(lambda: self._client.trades(max(after_s - 1, 0)))
        found = sorted((fill for row in rows for fill in self._legs(row)), key=lambda fill: (fill.ts_s, fill.fill_id))
        recent = [fill for fill in found if fill.ts_s >= after_s]
        self._failed = [fill for fill in recent if fill.state is FillState.FAILED]
        return [fill for fill in recent if fill.state is not FillState.FAILED]

    def failed(self) -> list[Fill]:
        """Of the last reading of `trades`: fills that the venue lists as failed for good."""
        return list(self._failed)

    def left_out(self) -> list[str]:
        """Rows that could not be read since the last call, a line each."""
        lines, self._left_out = self._left_out, []
        return lines

    def _leave_out(self, what: str, row: Any, error: Exception) -> None:
        name = row.get("id") if isinstance(row, Mapping) else None
        line = f"{what} cannot be read and was left out: {name or str(row)[:80]}: {error!r}"[:300]
        if line not in self._left_out and len(self._left_out) < _LINES_KEPT:
            self._left_out.append(line)
        log.get("gateway").warning("row left out", what=what, row=str(row)[:200], error=repr(error))

    def _legs(self, row: Any) -> list[Fill]:
        try:
            fee = self._fee(str(row["market"]))
            return answers.legs(row, self.account, self.credentials.api_key, fee, self._outcome)
        except (VenueForbidden, VenueUnavailable):
            raise
        except (*UNREADABLE, VenueError) as error:
            self._leave_out("a trade", row, error)
            return []

    def fills(self, row: Mapping[str, Any]) -> list[Fill]:
        """Our fills inside a trade, of REST or of the user stream."""
        fee = self._fee(str(row["market"]))
        return answers.fills(row, self.account, self.credentials.api_key, fee, self._outcome)

    def _outcome(self, row: Mapping[str, Any]) -> Outcome:
        """The outcome of a token: labels are names of teams, players, anything. The market says it where it must."""
        token = str(row["asset_id"])
        if token not in self._outcomes:
            for index, listed in enumerate(self._market(str(row["market"])).get("t") or ()):
                if isinstance(listed, Mapping) and index < len(Outcome):
                    self._outcomes[str(listed.get("t"))] = tuple(Outcome)[index]
        return self._outcomes[token] if token in self._outcomes else answers.by_label(row)

    def redeem(self, market: Market) -> None:
        """Ask the relayer for the payout of a decided market. Safe to repeat: what is under way is not sent again.

        Raises:
            NotOffered: where the wallet has no relayer; the message says what its owner does.
            VenueError: if the relayer refused the batch, failed it, or did not answer.
        """
        asked = Outcome if self.batches.offered else ()
        self.batches.redeem(market, {outcome: self.shares_micro(market.token(outcome)) for outcome in asked})

    def split(self, market: Market, shares_micro: int) -> None:
        """Turn pUSD into pairs of shares through the relayer; errors as in `redeem`."""
        self.batches.split(market, shares_micro)

    def merge(self, market: Market, shares_micro: int) -> None:
        """Turn pairs of shares into pUSD through the relayer; errors as in `redeem`."""
        self.batches.merge(market, shares_micro)

    def cash_micro(self) -> int:
        """Collateral in base units."""
        return self._balance("COLLATERAL", None)

    def shares_micro(self, token_id: str) -> int:
        """Balance of a token in base units."""
        return self._balance(self._kind(token_id), token_id)

    def allowances(self) -> Mapping[str, int]:
        """Address of an exchange -> base units of the collateral that it may take."""
        return _read(lambda: _allowances(self._client.balance("COLLATERAL", None)))

    def heartbeat(self) -> None:
        """Keep the open orders alive. After the first one the venue cancels them when none arrives for 10 s.

        Raises:
            VenueError: if the venue refuses even the id that it named itself.
        """
        answered, self._answered = self._answered, False
        try:
            answer = self._client.heartbeat(self._heartbeat_id)
            self._contested = 0
        except Refused as refusal:
            expected = refusal.message.get("heartbeat_id") if isinstance(refusal.message, Mapping) else None
            if not expected:
                raise _explained(refusal) from None
            answer = _once(lambda: self._client.heartbeat(str(expected)))
            # After an answer that was lost, our id is an old one without anybody else.
            self._contested += answered
        self._heartbeat_id = _once(lambda: str(answer["heartbeat_id"]))
        self._answered = True

    def contested(self) -> int:
        """How many heartbeats in a row found that another program had used up the id that the venue gave us last."""
        return self._contested

    def refresh_balance(self, token_id: str = "") -> None:
        """Ask the venue to read a balance anew; what it says to that is only logged."""
        try:
            if token_id:
                self._client.refresh_balance(self._kind(token_id), token_id)
            else:
                self._client.refresh_balance("COLLATERAL", None)
        except Refused as refusal:
            log.get("gateway").warning("balance not refreshed", token=token_id[:12], error=str(refusal)[:200])

    def _kind(self, token_id: str) -> str:
        return "CONDITIONAL-V2" if self._versions.get(token_id) == "v2" else "CONDITIONAL"

    def _balance(self, kind: str, token_id: str | None) -> int:
        return _read(lambda: int(self._client.balance(kind, token_id)["balance"]))

    def fee(self, market_id: str) -> FeeSchedule | None:
        """The fee that the venue charges now; fills that are read from now on have it."""
        before = self._fees.pop(market_id, None)
        self._asked.pop(market_id, None)
        try:
            return self._fee(market_id)
        except VenueError as error:
            log.get("gateway").warning("fee not read", market=market_id, error=str(error)[:200])
            if before is not None:
                self._fees[market_id] = before
            return None

    def _fee(self, market_id: str) -> FeeSchedule:
        if market_id not in self._fees:
            found = self._market(market_id).get("fd") or {}
            self._fees[market_id] = FeeSchedule(float(found.get("r", 0.0)), float(found.get("e", 1.0)))
        return self._fees[market_id]

    def _market(self, market_id: str) -> Mapping[str, Any]:
        """The compact market; empty where the venue knows none of that id."""
        if market_id not in self._asked:
            padded = "0x" + market_id.removeprefix("0x").ljust(64, "0")  # the route wants 32 bytes, ids may have 31
            try:
                answer = _read(lambda: self._client.market(padded))
            except (VenueForbidden, VenueUnavailable):
                raise
            except VenueError:
                answer = {}
            self._asked[market_id] = answer if isinstance(answer, Mapping) else {}
        return self._asked[market_id]


def _allowances(answer: Mapping[str, Any]) -> dict[str, int]:
    return {str(spender): int(value) for spender, value in (answer.get("allowances") or {}).items()}


def _cancelled(answer: Mapping[str, Any]) -> CancelResult:
    gone = tuple(str(order_id).lower() for order_id in answer.get("canceled") or ())
    return CancelResult(gone, {k.lower(): str(v) for k, v in (answer.get("not_canceled") or {}).items()})


def _throw_away(settings: Settings) -> tuple[str, Settings]:
    """The key of the simulated account, and its settings: a deposit wallet, as new accounts of the venue have.

    Without `simulated_key` it is a key for this start alone.

    Raises:
        SettingError: if the file of the key does not hold one.
    """
    key = _kept(settings.simulated_key) if settings.simulated_key else _made()
    if settings.funder or settings.signature_type or settings.clob_client == "v1":
        return key, settings
    wallet = wallets.addresses(Account.from_key(key).address, wallets.DEPOSIT)[0]
    return key, settings.model_copy(update={"signature_type": wallets.DEPOSIT, "funder": wallet})


def _made() -> str:
    return "0x" + str(Account.create().key.hex()).removeprefix("0x")


def _kept(path: Path) -> str:
    if not path.is_file():
        write_secret(path, _made() + "\n")
    key = path.read_text(encoding="utf-8").strip()
    if not re.fullmatch(r"0x[0-9a-f]{64}", key):
        raise SettingError(f"{path} holds no key of a simulated account; delete it, and a new account is made")
    return key


def _client(settings: Settings, key: str) -> Client:
    """The client library that the settings name.

    Raises:
        SettingError: for orders of the old library anywhere but on the simulator.
    """
    if settings.clob_client == "v2":
        return ClientV2(settings.clob_url, key, signature_type=settings.signature_type, funder=settings.funder)
    if settings.clob_client == "unified":
        from pipelines.venue.client_unified import ClientUnified  # noqa: PLC0415 - its library may be absent

        urls = {"clob_url": settings.clob_url, "gamma_url": settings.gamma_url, "data_url": settings.data_url}
        urls["relayer_url"] = settings.relayer_address
        return ClientUnified(urls, key, signature_type=settings.signature_type, funder=settings.funder)
    if settings.mode is not Mode.SIMULATED:
        raise SettingError("the venue refuses orders of py-clob-client since 2026-04-28; set ODDSMITH_CLOB_CLIENT=v2")
    from pipelines.venue.client_v1 import ClientV1  # noqa: PLC0415 - rarely used, and slow to load

    return ClientV1(settings.clob_url, key, signature_type=settings.signature_type, funder=settings.funder)


def _explained(refusal: Refused) -> VenueError:
    said, status = str(refusal.message)[:200], refusal.status_code
    if status == 403:
        return VenueForbidden(f"the CLOB answered 403: {said}; it blocks this region or address, trading stops")
    if status is None or status in (425, 429) or status >= 500:
        return VenueUnavailable(
            f"the CLOB did not answer ({status or 'no connection'}: {said}); nothing was learned, it is asked again"
        )
    return VenueError(f"the CLOB answered {status}: {said}")


def _once(call: Callable[[], T]) -> T:
    try:
        return call()
    except Refused as refusal:
        raise _explained(refusal) from None
    except UNREADABLE as error:
        raise VenueError(f"the CLOB answered in an unknown shape: {error!r}"[:300]) from None


def _read(call: Callable[[], T]) -> T:
    """The answer of a call that is safe to repeat, repeated while the venue is away (about 10 s in all)."""
    for attempt in stamina.retry_context(on=VenueUnavailable, attempts=5, wait_initial=0.1, wait_max=3.0, timeout=15.0):
        with attempt:
            return _once(call)
    raise AssertionError("stamina either returns or raises")
