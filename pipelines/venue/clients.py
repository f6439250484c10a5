"""What the gateway needs of a Polymarket client library: py-clob-client-v2, polymarket-client and py-clob-client."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from pipelines.core.orders import OrderIntent

T = TypeVar("T")


class Refused(Exception):
    """Any answer but 200. `status_code` None: there was no answer."""

    def __init__(self, status_code: int | None, message: Any) -> None:
        super().__init__(f"{status_code}: {message}")
        self.status_code = status_code
        self.message = message


@dataclass(frozen=True)
class Credentials:
    """API key of the account, as the user stream wants it. Never logged."""

    api_key: str
    secret: str
    passphrase: str

    def __repr__(self) -> str:
        return "Credentials(...)"


class Client(Protocol):
    """One key at one CLOB. Each call is one request and raises `Refused`."""

    url: str
    funder: str
    credentials: Credentials | None

    def login(self) -> Credentials:
        """Create or derive the API key, and use it from now on."""
        ...

    def sign(self, intent: OrderIntent) -> tuple[str, dict[str, Any]]:
        """Hash and body of a limit order, without its owner; no network."""
        ...

    def post(self, body: Mapping[str, Any]) -> Any:
        """Send an order once."""
        ...

    def cancel(self, order_ids: Sequence[str]) -> Any:
        """Cancel one or many."""
        ...

    def cancel_all(self) -> Any:
        """Cancel all of the account."""
        ...

    def open_orders(self) -> list[Any]:
        """Rows of open orders, all pages."""
        ...

    def order(self, order_id: str) -> Any:
        """Row of an active order."""
        ...

    def trades(self, after_s: int) -> list[Any]:
        """Rows of our trades after a time, all pages."""
        ...

    def balance(self, asset_type: str, token_id: str | None) -> Any:
        """Balance and allowances."""
        ...

    def refresh_balance(self, asset_type: str, token_id: str | None) -> Any:
        """Make the venue read a balance from the chain again."""
        ...

    def market(self, market_id: str) -> Any:
        """The compact market with its fee."""
        ...

    def heartbeat(self, heartbeat_id: str) -> Any:
        """Send a heartbeat."""
        ...


def asked(call: Callable[[], T], error: type[Exception]) -> T:
    """The result of a library's call; its exception becomes `Refused`."""
    try:
        return call()
    except error as refused:
        raise Refused(getattr(refused, "status_code", None), getattr(refused, "error_msg", refused)) from None
