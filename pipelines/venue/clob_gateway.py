"""Real orders: one account of the CLOB through py-clob-client-v2. Simulated and live differ in the URL alone.

Orders are built and posted by us with the client's signer and headers: its own `post_order` polls for settlement up
to 30 s after a match, and its amounts pass through floats.
"""

import json
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import stamina
from eth_account import Account
from py_clob_client_v2.client import ClobClient
from py_clob_client_v2.clob_types import BalanceAllowanceParams, OpenOrderParams, OrderPayload, TradeParams
from py_clob_client_v2.exceptions import PolyApiException
from py_clob_client_v2.order_utils.model.order_data_v2 import order_to_json_v2

from pipelines.core import log
from pipelines.core.domain import FeeSchedule, Fill, Market
from pipelines.core.errors import SettingError, VenueError, VenueForbidden, VenueUnavailable
from pipelines.core.orders import CancelResult, OpenOrder, OrderIntent, PlaceResult, SignedOrder
from pipelines.core.settings import Mode, Settings
from pipelines.venue import answers
from pipelines.venue.signing import CHAIN_ID, OrderSigner

T = TypeVar("T")

_ORDER: Final = "/order"
_CANCELS_PER_REQUEST: Final = 1_000

logging.getLogger("py_clob_client_v2").setLevel(logging.CRITICAL)  # what it logs, we raise with the next step


@dataclass(frozen=True)
class Credentials:
    """API key of the account, as the user stream wants it. Never logged."""

    api_key: str
    secret: str
    passphrase: str

    def __repr__(self) -> str:
        return "Credentials(...)"


class ClobGateway:
    """An `OrderGateway` of the CLOB. Blocking; the bot calls it in a thread."""

    def __init__(self, url: str, private_key: str, *, signature_type: int = 0, funder: str | None = None) -> None:
        """Create or derive the API key of `private_key` at `url`.

        Raises:
            VenueError: if the venue refuses the credentials, is forbidden, or does not answer.
        """
        self._signer = OrderSigner(private_key, signature_type=signature_type, funder=funder)
        self._client = ClobClient(url, CHAIN_ID, key=private_key, signature_type=signature_type, funder=funder)
        creds = _read(self._client.create_or_derive_api_key)
        self._client.set_api_creds(creds)
        self.credentials = Credentials(creds.api_key, creds.api_secret, creds.api_passphrase)
        self._fees: dict[str, FeeSchedule] = {}
        self._versions: dict[str, str] = {}
        self._heartbeat_id = ""

    @classmethod
    def connect(cls, settings: Settings, markets: Iterable[Market] = ()) -> "ClobGateway":
        """The gateway that the settings describe. Simulated mode without a key makes one for this start.

        Raises:
            SettingError: if real orders lack the word yes or the key.
        """
        if settings.mode is not Mode.SIMULATED and settings.live != "yes":
            raise SettingError(
                f"real orders need ODDSMITH_LIVE=yes beside the mode; ODDSMITH_LIVE was {settings.live!r}"
            )
        if settings.private_key is not None:
            key = settings.private_key.get_secret_value()
        elif settings.mode is Mode.SIMULATED:
            key = "0x" + Account.create().key.hex().removeprefix("0x")
        else:
            raise SettingError("real orders need a key; set ODDSMITH_PRIVATE_KEY")
        gateway = cls(settings.clob_url, key, signature_type=settings.signature_type, funder=settings.funder)
        gateway.know(markets)
        return gateway

    @property
    def account(self) -> str:
        """Address that holds the funds."""
        return self._signer.funder

    def know(self, markets: Iterable[Market]) -> None:
        """Remember fees and versions, so that no request for them precedes an order or a fill."""
        for market in markets:
            self._fees[market.market_id] = market.fee
            self._versions |= {market.token_yes: market.version, market.token_no: market.version}

    def prepare(self, intent: OrderIntent) -> SignedOrder:
        """Sign a GTC limit order; no network."""
        order_id, signed = self._signer.sign(intent)
        body = order_to_json_v2(signed, "", "GTC")
        return SignedOrder(order_id.lower(), intent, {key: body[key] for key in body if key != "owner"})

    def place(self, order: SignedOrder) -> PlaceResult:
        """Send once, never repeated here: a repeat is the caller's decision after a look-up by `order_id`."""
        body = {"order": order.payload["order"], "owner": self.credentials.api_key, **order.payload}
        text = json.dumps(body, separators=(",", ":"))
        headers = self._client._l2_headers("POST", _ORDER, body=body, serialized_body=text)
        try:
            answer = self._client._post(f"{self._client.host}{_ORDER}", headers=headers, data=text)
        except PolyApiException as error:
            result = answers.refused(order.order_id, error.status_code, error.error_msg)
            if "order version" in result.reason or "order_version" in result.reason:
                log.get("gateway").error("order version refused", market=order.intent.market_id, reason=result.reason)
            return result
        return answers.placed(order.order_id, order.intent.side, answer)

    def cancel(self, order_ids: Sequence[str]) -> CancelResult:
        """Cancel these orders; repeating it is safe."""
        cancelled: list[str] = []
        refused: dict[str, str] = {}
        for begin in range(0, len(order_ids), _CANCELS_PER_REQUEST):
            some = list(order_ids[begin : begin + _CANCELS_PER_REQUEST])
            call = (
                (lambda one=some[0]: self._client.cancel_order(OrderPayload(orderID=one)))
                if len(some) == 1
                else (lambda many=some: self._client.cancel_orders(many))
            )
            part = _cancelled(_read(call))
            cancelled += part.cancelled
            refused |= part.not_cancelled
        return CancelResult(tuple(cancelled), refused)

    def cancel_all(self) -> CancelResult:
        """Cancel every open order of this account."""
        return _cancelled(_read(self._client.cancel_all))

    def open_orders(self) -> list[OpenOrder]:
        """All resting orders."""
        return [answers.open_order(row) for row in _read(lambda: self._client.get_open_orders(OpenOrderParams()))]

    def order(self, order_id: str) -> OpenOrder | None:
        """A resting order; None when the venue does not list it as open."""
        try:
            row = _read(lambda: self._client.get_order(order_id))
        except VenueError as error:
            if "404" in str(error):
                return None
            raise
        return answers.open_order(row) if isinstance(row, Mapping) and row.get("id") else None

    def trades(self, after_s: int) -> list[Fill]:
        """Our fills at or after a time, oldest first."""
        rows = _read(lambda: self._client.get_trades(TradeParams(after=max(after_s - 1, 0))))
        found = [fill for row in rows for fill in self.fills(row)]
        return sorted((f for f in found if f.ts_s >= after_s), key=lambda f: (f.ts_s, f.fill_id))

    def fills(self, row: Mapping[str, Any]) -> list[Fill]:
        """Our fills inside a trade, of REST or of the user stream."""
        return answers.fills(row, self.account, self.credentials.api_key, self._fee(str(row["market"])))

    def cash_micro(self) -> int:
        """Collateral in base units."""
        return self._balance("COLLATERAL", None)

    def shares_micro(self, token_id: str) -> int:
        """Balance of a token in base units."""
        kind = "CONDITIONAL-V2" if self._versions.get(token_id) == "v2" else "CONDITIONAL"
        return self._balance(kind, token_id)

    def heartbeat(self) -> None:
        """Keep the open orders alive. After the first one the venue cancels them when none arrives for 10 s.

        Raises:
            VenueError: if the venue refuses even the id that it named itself.
        """
        try:
            answer = self._client.post_heartbeat(self._heartbeat_id)
        except PolyApiException as error:
            expected = error.error_msg.get("heartbeat_id") if isinstance(error.error_msg, Mapping) else None
            if not expected:
                raise _explained(error) from None
            answer = _once(lambda: self._client.post_heartbeat(str(expected)))
        self._heartbeat_id = str(answer["heartbeat_id"])

    def _balance(self, kind: str, token_id: str | None) -> int:
        wanted = BalanceAllowanceParams(asset_type=kind, token_id=token_id)
        return int(_read(lambda: self._client.get_balance_allowance(wanted))["balance"])

    def _fee(self, market_id: str) -> FeeSchedule:
        if market_id not in self._fees:
            found = _read(lambda: self._client.get_clob_market_info(market_id)).get("fd") or {}
            self._fees[market_id] = FeeSchedule(float(found.get("r", 0.0)), float(found.get("e", 1.0)))
        return self._fees[market_id]


def _cancelled(answer: Mapping[str, Any]) -> CancelResult:
    gone = tuple(str(order_id).lower() for order_id in answer.get("canceled") or ())
    return CancelResult(gone, {k.lower(): str(v) for k, v in (answer.get("not_canceled") or {}).items()})


def _explained(error: PolyApiException) -> VenueError:
    said = str(error.error_msg)[:200]
    if error.status_code == 403:
        return VenueForbidden(f"the CLOB answered 403: {said}; it blocks this region or address, trading stops")
    if error.status_code is None or error.status_code in (425, 429) or error.status_code >= 500:
        return VenueUnavailable(
            f"the CLOB did not answer ({error.status_code or 'no connection'}: {said}); is it running?"
        )
    return VenueError(f"the CLOB answered {error.status_code}: {said}")


def _once(call: Callable[[], T]) -> T:
    try:
        return call()
    except PolyApiException as error:
        raise _explained(error) from None


def _read(call: Callable[[], T]) -> T:
    """The answer of a call that is safe to repeat, repeated while the venue is away (about 10 s in all)."""
    for attempt in stamina.retry_context(on=VenueUnavailable, attempts=5, wait_initial=0.1, wait_max=3.0, timeout=15.0):
        with attempt:
            return _once(call)
    raise AssertionError("stamina either returns or raises")
