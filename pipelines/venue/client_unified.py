"""polymarket-client, the library that the venue maintains. It is not in the lock: its metadata caps eth-abi, eth-utils
and websockets below the versions of others (docs/decisions/0019-unified-client.md says how to install it).

Keys, wallet, signature, authentication and transport are the library's. Rows are read as they come: its models refuse
a whole page for one odd row. Its order builder asks the venue for tick and fee first and tells no hash, so the parts
below it are used; `changed_parts` compares them with what was tested.
"""

import importlib
import importlib.metadata
import inspect
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any, Final

from eth_account import Account
from eth_account.messages import encode_typed_data
from eth_utils.crypto import keccak

from pipelines.core.domain import Side
from pipelines.core.errors import DataError, SettingError
from pipelines.core.orders import OrderIntent
from pipelines.venue import wallets
from pipelines.venue.clients import Credentials, Refused
from pipelines.venue.signing import CHAIN_ID, DOMAIN_OF, amounts, expiration_s

VERSION: Final = "0.14.0"
INSTALL: Final = ".venv/bin/python -m pip install --no-deps --require-hashes -r infra/polymarket-client.txt"

_ORDERS: Final = "_internal.actions.orders"
PARTS: Final[Mapping[str, tuple[str, ...]]] = {
    "environments._create_environment": ("name", "config"),
    f"{_ORDERS}.typed_data.build_order_typed_data": ("order", "protocol_version"),
    f"{_ORDERS}.typed_data._build_standard_typed_data": ("order", "protocol_version"),
    f"{_ORDERS}.typed_data.build_order_signature": ("order", "signature", "protocol_version"),
    f"{_ORDERS}.orders.create_signed_order": ("order", "signature", "post_only"),
    f"{_ORDERS}.orders._generate_salt": (),
    f"{_ORDERS}.post.build_post_order_request": ("signed_order", "owner_api_key"),
}
"""Parts of polymarket-client that orders go through, with their parameters."""

_WALLET_TYPES: Final = ("EOA", "POLY_PROXY", "GNOSIS_SAFE", "DEPOSIT_WALLET")
"""What the library calls a wallet, by signature type."""

_FIRST, _LAST = "MA==", "LTE="
_MOST_PAGES: Final = 10_000
_ZERO: Final = "0x" + "0" * 64


def _part(name: str) -> Any:
    """A module, class or function of the library.

    Raises:
        SettingError: if it is not installed.
    """
    module, _, attribute = name.rpartition(".")
    try:
        return getattr(importlib.import_module(f"polymarket.{module}" if module else "polymarket"), attribute)
    except ImportError:
        raise SettingError(
            f"ODDSMITH_CLOB_CLIENT was unified and polymarket-client is not installed: run `{INSTALL}`, or set v2"
        ) from None


def changed_parts() -> list[str]:
    """Names of parts that the installed library lacks or has with other parameters, and another version of it."""
    changed = [] if (found := importlib.metadata.version("polymarket-client")) == VERSION else [f"version {found}"]
    for name, wanted in PARTS.items():
        try:
            if tuple(inspect.signature(_part(name)).parameters) != wanted:
                changed.append(name)
        except AttributeError:
            changed.append(name)
    return changed


def contracts() -> dict[str, str]:
    """Addresses that the library signs for, under the names of `pins.CONTRACTS`."""
    config = _part("environments.PRODUCTION")._config
    names = {
        "exchange_v2": "standard_exchange", "neg_risk_exchange_v2": "neg_risk_exchange", "exchange_v3": "exchange_v3",
        "collateral": "collateral_token", "conditional_tokens": "conditional_tokens",
    }  # fmt: skip
    return {ours: str(getattr(config, theirs)) for ours, theirs in names.items()}


class ClientUnified:
    """The `Client` of polymarket-client.

    Raises:
        SettingError: if the library is not installed, or takes the funder for another kind of wallet.
    """

    def __init__(self, urls: Mapping[str, str], private_key: str, *, signature_type: int, funder: str | None) -> None:
        """`urls` are the addresses of the library's environment: clob_url, gamma_url, data_url, relayer_url."""
        self._urls, self._key, self._kind = urls, private_key, signature_type
        self._account = Account.from_key(private_key)
        self._config = _part("environments.PRODUCTION")._config
        self._classify(funder)
        self.url = urls["clob_url"]
        self.funder = funder or str(self._account.address)
        self.credentials: Credentials | None = None

    def _classify(self, funder: str | None) -> None:
        if funder is None or self._kind == wallets.EOA:
            return
        classify = _part("_internal.wallet.classify_wallet_type")
        owner, derivation = self._account.address, self._config.wallet_derivation
        found = classify(signer=owner, wallet=funder, config=derivation)
        if found != _WALLET_TYPES[self._kind]:
            raise SettingError(
                f"ODDSMITH_SIGNATURE_TYPE was {self._kind}, but polymarket-client takes ODDSMITH_FUNDER {funder} for a "
                f"{found} of {owner}; set the type of the wallet, or its address"
            )

    def login(self) -> Credentials:
        """Create or derive the API key, and use it from now on."""
        keys = _asked(lambda: self._library.credentials)
        self.credentials = Credentials(keys.key, keys.secret, keys.passphrase)
        return self.credentials

    @cached_property
    def _library(self) -> Any:
        """The library's client. It logs in when it is made."""
        environment = _part("environments._create_environment")
        made = environment(name="oddsmith", config=replace(self._config, **self._urls))
        return _part("clients.secure.SecureClient").create(private_key=self._key, wallet=self.funder, environment=made)

    @property
    def _http(self) -> Any:
        """The transport that signs requests of the account."""
        return self._library._ctx.secure_clob

    def sign(self, intent: OrderIntent) -> tuple[str, dict[str, Any]]:
        """Hash and body of a limit order, without its owner; no network."""
        unsigned = self._unsigned(intent)
        typed = _part(f"{_ORDERS}.typed_data.build_order_typed_data")(unsigned)
        plain = "0x" + bytes(self._account.sign_typed_data(full_message=typed).signature).hex()
        signature = _part(f"{_ORDERS}.typed_data.build_order_signature")(unsigned, plain)
        signed = _part(f"{_ORDERS}.orders.create_signed_order")(unsigned, signature, post_only=intent.post_only)
        _, body = _part(f"{_ORDERS}.post.build_post_order_request")(signed, owner_api_key="")
        standard = _part(f"{_ORDERS}.typed_data._build_standard_typed_data")
        message = encode_typed_data(full_message=standard(unsigned, protocol_version=unsigned.protocol_version))
        order_id = "0x" + keccak(b"\x19" + message.version + message.header + message.body).hex()
        return order_id, {name: value for name, value in body.items() if name != "owner"}

    def _unsigned(self, intent: OrderIntent) -> Any:
        domain = DOMAIN_OF.get(intent.version)
        if domain is None:
            raise DataError(f"market {intent.market_id} has version {intent.version!r}; known are {sorted(DOMAIN_OF)}")
        exact, config, now_ms = amounts(intent), self._config, time.time_ns() // 1_000_000
        old = config.neg_risk_exchange if intent.neg_risk else config.standard_exchange
        return _part(f"{_ORDERS}.types.UnsignedOrder")(
            chain_id=CHAIN_ID,
            builder=_ZERO,
            exchange_address=config.exchange_v3 if domain == 3 else old,
            expiration=expiration_s(intent, now_ms // 1_000),
            maker=self.funder,
            maker_amount=exact.maker,
            metadata=_ZERO,
            order_type=intent.order_type.value,
            salt=_part(f"{_ORDERS}.orders._generate_salt")(),
            side="BUY" if intent.side is Side.BUY else "SELL",
            signature_type=self._kind,
            signer=self.funder if self._kind == wallets.DEPOSIT else self._account.address,
            taker_amount=exact.taker,
            timestamp=now_ms,
            token_id=intent.token_id,
            protocol_version=str(domain),
        )

    def post(self, body: Mapping[str, Any]) -> Any:
        """Send an order once."""
        return _asked(lambda: self._http.post_json("/order", json=dict(body)))

    def cancel(self, order_ids: Sequence[str]) -> Any:
        """Cancel one or many."""
        return _asked(lambda: self._http.delete_json("/orders", json=list(order_ids)))

    def cancel_all(self) -> Any:
        """Cancel all of the account."""
        return _asked(lambda: self._http.delete_json("/cancel-all"))

    def open_orders(self) -> list[Any]:
        """Rows of open orders, all pages."""
        return self._pages("/data/orders", {})

    def order(self, order_id: str) -> Any:
        """Row of an active order."""
        return _asked(lambda: self._http.get_json(f"/data/order/{order_id}"))

    def trades(self, after_s: int) -> list[Any]:
        """Rows of our trades after a time, all pages."""
        return self._pages("/data/trades", {"after": after_s})

    def _pages(self, path: str, query: Mapping[str, Any]) -> list[Any]:
        rows: list[Any] = []
        cursor, seen = _FIRST, set[str]()
        while cursor != _LAST and cursor not in seen and len(seen) < _MOST_PAGES:
            seen.add(cursor)
            asked = {**query, "next_cursor": cursor}
            page = _asked(lambda: self._http.get_json(path, params=asked))  # noqa: B023 - called at once
            if not isinstance(page, Mapping) or not isinstance(page.get("data"), list):
                raise Refused(None, f"{path} answered without a list: {str(page)[:100]}")
            rows += page["data"]
            cursor = str(page.get("next_cursor") or _LAST)
        return rows

    def balance(self, asset_type: str, token_id: str | None) -> Any:
        """Balance and allowances."""
        return self._balances("/balance-allowance", asset_type, token_id)

    def refresh_balance(self, asset_type: str, token_id: str | None) -> Any:
        """Make the venue read a balance from the chain again. It answers without a body."""
        try:
            return self._balances("/balance-allowance/update", asset_type, token_id)
        except Refused as refusal:
            if refusal.status_code is None and "non-JSON" in str(refusal.message):
                return None
            raise

    def _balances(self, path: str, asset_type: str, token_id: str | None) -> Any:
        query = {"asset_type": asset_type, "token_id": token_id, "signature_type": self._kind}
        return _asked(lambda: self._http.get_json(path, params=query))

    def market(self, market_id: str) -> Any:
        """The compact market with its fee."""
        return _asked(lambda: self._library._ctx.clob.get_json(f"/clob-markets/{market_id}"))

    def heartbeat(self, heartbeat_id: str) -> Any:
        """Send a heartbeat."""
        return _asked(lambda: self._http.post_json("/v1/heartbeats", json={"heartbeat_id": heartbeat_id}))


def _asked(call: Callable[[], Any]) -> Any:
    """The result of a library's call; its exceptions become `Refused`. A limit is a 429, no answer has no status."""
    errors = importlib.import_module("polymarket.errors")
    try:
        return call()
    except errors.OrderHeartbeatMismatchError as error:
        raise Refused(400, {"error": str(error), "heartbeat_id": error.heartbeat_id}) from None
    except errors.RequestRejectedError as error:
        raise Refused(error.status, {"error": str(error)}) from None
    except errors.RateLimitError as error:
        raise Refused(429, {"error": str(error)}) from None
    except errors.PolymarketError as error:
        raise Refused(None, str(error)) from None
