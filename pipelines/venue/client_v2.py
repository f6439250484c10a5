"""py-clob-client-v2: what production takes orders from. Posts by itself: the `post_order` of it polls up to 30 s."""

import json
import logging
from collections.abc import Mapping, Sequence
from typing import Any, Final

from py_clob_client_v2.client import ClobClient
from py_clob_client_v2.clob_types import BalanceAllowanceParams, OpenOrderParams, OrderPayload, TradeParams
from py_clob_client_v2.exceptions import PolyApiException
from py_clob_client_v2.http_helpers import helpers
from py_clob_client_v2.order_utils.model.order_data_v2 import order_to_json_v2

from pipelines.core.orders import OrderIntent
from pipelines.venue.clients import Credentials, asked
from pipelines.venue.signing import CHAIN_ID, OrderSigner

_ORDER: Final = "/order"

logging.getLogger("py_clob_client_v2").setLevel(logging.CRITICAL)  # what it logs, we raise with the next step

NoAnswer: Final = helpers.httpx.ReadTimeout
"""What a client that was given to `use` raises when no answer comes in time."""


def use(client: Any) -> Any:
    """Send the library's requests through another client with the method `request` of `httpx.Client`; the one before.

    The library has one for the whole process.
    """
    before, helpers._http_client = helpers._http_client, client
    return before


class ClientV2:
    """The `Client` of production."""

    def __init__(self, url: str, private_key: str, *, signature_type: int = 0, funder: str | None = None) -> None:
        self._signer = OrderSigner(private_key, signature_type=signature_type, funder=funder)
        self._client = ClobClient(url, CHAIN_ID, key=private_key, signature_type=signature_type, funder=funder)
        self.url = self._client.host
        self.funder = self._signer.funder
        self.credentials: Credentials | None = None

    def login(self) -> Credentials:
        """Create or derive the API key, and use it from now on."""
        creds = asked(self._client.create_or_derive_api_key, PolyApiException)
        self._client.set_api_creds(creds)
        self.credentials = Credentials(creds.api_key, creds.api_secret, creds.api_passphrase)
        return self.credentials

    def sign(self, intent: OrderIntent) -> tuple[str, dict[str, Any]]:
        """Hash and body of a limit order, without its owner; no network."""
        order_id, signed = self._signer.sign(intent)
        body = order_to_json_v2(signed, "", intent.order_type.value, intent.post_only)
        return order_id, {key: body[key] for key in body if key != "owner"}

    def post(self, body: Mapping[str, Any]) -> Any:
        """Send an order once."""
        text = json.dumps(body, separators=(",", ":"))
        headers = self._client._l2_headers("POST", _ORDER, body=body, serialized_body=text)
        return asked(lambda: self._client._post(f"{self.url}{_ORDER}", headers=headers, data=text), PolyApiException)

    def cancel(self, order_ids: Sequence[str]) -> Any:
        """Cancel one or many."""
        if len(order_ids) == 1:
            return asked(lambda: self._client.cancel_order(OrderPayload(orderID=order_ids[0])), PolyApiException)
        return asked(lambda: self._client.cancel_orders(list(order_ids)), PolyApiException)

    def cancel_all(self) -> Any:
        """Cancel all of the account."""
        return asked(self._client.cancel_all, PolyApiException)

    def open_orders(self) -> list[Any]:
        """Rows of open orders, all pages."""
        return asked(lambda: list(self._client.get_open_orders(OpenOrderParams())), PolyApiException)

    def order(self, order_id: str) -> Any:
        """Row of an active order."""
        return asked(lambda: self._client.get_order(order_id), PolyApiException)

    def trades(self, after_s: int) -> list[Any]:
        """Rows of our trades after a time, all pages."""
        return asked(lambda: list(self._client.get_trades(TradeParams(after=after_s))), PolyApiException)

    def balance(self, asset_type: str, token_id: str | None) -> Any:
        """Balance and allowances."""
        wanted = BalanceAllowanceParams(asset_type=asset_type, token_id=token_id)
        return asked(lambda: self._client.get_balance_allowance(wanted), PolyApiException)

    def refresh_balance(self, asset_type: str, token_id: str | None) -> Any:
        """Make the venue read a balance from the chain again."""
        wanted = BalanceAllowanceParams(asset_type=asset_type, token_id=token_id)
        return asked(lambda: self._client.update_balance_allowance(wanted), PolyApiException)

    def market(self, market_id: str) -> Any:
        """The compact market with its fee."""
        return asked(lambda: self._client.get_clob_market_info(market_id), PolyApiException)

    def heartbeat(self, heartbeat_id: str) -> Any:
        """Send a heartbeat."""
        return asked(lambda: self._client.post_heartbeat(heartbeat_id), PolyApiException)
