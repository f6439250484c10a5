"""py-clob-client: reads, credentials and cancels work; production has refused its orders since 2026-04-28.

Its orders (domain version 1) are taken by a simulator with `--order-versions 1,2,3`. Amounts are ours, as with the
other client, and so is the hash: the library signs it but does not tell it.
"""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from py_clob_client.client import ClobClient
from py_clob_client.clob_types import ApiCreds, BalanceAllowanceParams, OpenOrderParams, RequestArgs, TradeParams
from py_clob_client.config import get_contract_config
from py_clob_client.exceptions import PolyApiException
from py_clob_client.headers.headers import create_level_2_headers
from py_clob_client.http_helpers.helpers import get, post
from py_order_utils.builders import OrderBuilder
from py_order_utils.model import OrderData
from py_order_utils.signer import Signer
from py_order_utils.utils import generate_seed

from pipelines.core.domain import Side
from pipelines.core.errors import DataError
from pipelines.core.orders import OrderIntent
from pipelines.venue.clients import Credentials, Refused, asked
from pipelines.venue.signing import CHAIN_ID, amounts, expiration_s

_ORDER: Final = "/order"


class ClientV1:
    """The `Client` of the old library."""

    def __init__(
        self,
        url: str,
        private_key: str,
        *,
        signature_type: int = 0,
        funder: str | None = None,
        salt: Callable[[], int] = generate_seed,
    ) -> None:
        self._client = ClobClient(url, CHAIN_ID, private_key, None, signature_type, funder)
        self._signer = Signer(private_key)
        self._signature_type = signature_type
        self._salt = salt
        self.url = self._client.host
        self.funder = funder or self._signer.address()
        self.credentials: Credentials | None = None

    def login(self) -> Credentials:
        """Create or derive the API key, and use it from now on."""
        creds: ApiCreds | None = asked(self._client.create_or_derive_api_creds, PolyApiException)
        if creds is None:
            raise Refused(None, "the answer held no API key")
        self._client.set_api_creds(creds)
        self.credentials = Credentials(creds.api_key, creds.api_secret, creds.api_passphrase)
        return self.credentials

    def sign(self, intent: OrderIntent) -> tuple[str, dict[str, Any]]:
        """Hash and body of a limit order, without its owner; no network.

        Raises:
            DataError: for a market that needs orders of a later version.
        """
        if intent.version != "v1":
            raise DataError(f"market {intent.market_id} has version {intent.version!r}; py-clob-client signs v1 alone")
        exact = amounts(intent)
        contract = get_contract_config(CHAIN_ID, intent.neg_risk).exchange
        builder = OrderBuilder(contract, CHAIN_ID, self._signer, self._salt)
        signed = builder.build_signed_order(
            OrderData(
                maker=self.funder,
                tokenId=intent.token_id,
                makerAmount=str(exact.maker),
                takerAmount=str(exact.taker),
                side=0 if intent.side is Side.BUY else 1,
                feeRateBps="0",
                signer=self._signer.address(),
                signatureType=self._signature_type,
                expiration=str(expiration_s(intent, int(time.time()))),
            )
        )
        order_id: str = builder._create_struct_hash(signed.order)
        return order_id, {"order": signed.dict(), "orderType": intent.order_type.value, "postOnly": intent.post_only}

    def post(self, body: Mapping[str, Any]) -> Any:
        """Send an order once."""
        text = json.dumps(body, separators=(",", ":"))
        request = RequestArgs("POST", _ORDER, body=body, serialized_body=text)
        headers = create_level_2_headers(self._client.signer, self._client.creds, request)
        return asked(lambda: post(f"{self.url}{_ORDER}", headers=headers, data=text), PolyApiException)

    def cancel(self, order_ids: Sequence[str]) -> Any:
        """Cancel one or many."""
        if len(order_ids) == 1:
            return asked(lambda: self._client.cancel(order_ids[0]), PolyApiException)
        return asked(lambda: self._client.cancel_orders(list(order_ids)), PolyApiException)

    def cancel_all(self) -> Any:
        """Cancel all of the account."""
        return asked(self._client.cancel_all, PolyApiException)

    def open_orders(self) -> list[Any]:
        """Rows of open orders, all pages."""
        return asked(lambda: list(self._client.get_orders(OpenOrderParams())), PolyApiException)

    def order(self, order_id: str) -> Any:
        """Row of an active order."""
        return asked(lambda: self._client.get_order(order_id), PolyApiException)

    def trades(self, after_s: int) -> list[Any]:
        """Rows of our trades after a time, all pages."""
        return asked(lambda: list(self._client.get_trades(TradeParams(after=after_s))), PolyApiException)

    def balance(self, asset_type: str, token_id: str | None) -> Any:
        """Balance and allowances."""
        wanted = BalanceAllowanceParams(asset_type=asset_type, token_id=token_id, signature_type=self._signature_type)
        return asked(lambda: self._client.get_balance_allowance(wanted), PolyApiException)

    def refresh_balance(self, asset_type: str, token_id: str | None) -> Any:
        """Make the venue read a balance from the chain again."""
        wanted = BalanceAllowanceParams(asset_type=asset_type, token_id=token_id, signature_type=self._signature_type)
        return asked(lambda: self._client.update_balance_allowance(wanted), PolyApiException)

    def market(self, market_id: str) -> Any:
        """The compact market with its fee."""
        return asked(lambda: get(f"{self.url}/clob-markets/{market_id}"), PolyApiException)

    def heartbeat(self, heartbeat_id: str) -> Any:
        """Send a heartbeat."""
        return asked(lambda: self._client.post_heartbeat(heartbeat_id or None), PolyApiException)
