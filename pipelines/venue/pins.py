"""What orders were tested against: protocol version, contract addresses, and the methods of the client library.

A library or a venue that says otherwise is found before anything is signed (`serving/preconditions.py`).
"""

import inspect
from collections.abc import Mapping
from typing import Final

from py_clob_client_v2.client import ClobClient
from py_clob_client_v2.config import get_contract_config

from pipelines.venue.signing import CHAIN_ID

PROTOCOL: Final = 2
"""What `GET /version` of the CLOB says since the upgrade of 2026-04-28."""

CONTRACTS: Final = {
    "exchange_v2": "0xE111180000d2663C0091e4f400237545B87B996B",
    "neg_risk_exchange_v2": "0xe2222d279d744050d28e00520010520000310F59",
    "exchange_v3": "0xe3333700cA9d93003F00f0F71f8515005F6c00Aa",
    "collateral": "0xC011a7E12a19f7B1f670d46F03B03f3342E82DFB",
    "conditional_tokens": "0x4D97DCd97eC945f40cF65F87097ACe5EA0476045",
}
"""Addresses on Polygon (docs.polymarket.com, resources/contracts) that orders are signed for."""

SPENDERS: Final = ("exchange_v2", "neg_risk_exchange_v2")
"""Exchanges that need an allowance of the collateral."""

CLIENT: Final[Mapping[str, tuple[str, ...]]] = {
    "create_or_derive_api_key": ("self", "nonce"),
    "set_api_creds": ("self", "creds"),
    "_l2_headers": ("self", "method", "endpoint", "body", "serialized_body"),
    "_post": ("self", "endpoint", "headers", "data", "params"),
    "cancel_order": ("self", "payload"),
    "cancel_orders": ("self", "order_hashes"),
    "cancel_all": ("self",),
    "get_open_orders": ("self", "params", "only_first_page", "next_cursor"),
    "get_order": ("self", "order_id"),
    "get_trades": ("self", "params", "only_first_page", "next_cursor"),
    "get_balance_allowance": ("self", "params"),
    "get_clob_market_info": ("self", "condition_id"),
    "post_heartbeat": ("self", "heartbeat_id"),
}
"""Methods of py-clob-client-v2 that orders go through, with their parameters."""


def changed_methods() -> list[str]:
    """Names of methods that the installed client library lacks, or has with other parameters."""
    return sorted(name for name, wanted in CLIENT.items() if _parameters(name) != wanted)


def _parameters(name: str) -> tuple[str, ...] | None:
    method = getattr(ClobClient, name, None)
    return None if method is None else tuple(inspect.signature(method).parameters)


def other_contracts(named: Mapping[str, str] | None = None) -> list[str]:
    """Names of contracts for which the client library has another address than the pinned one.

    `named` are the addresses of another library than py-clob-client-v2.
    """
    config = get_contract_config(CHAIN_ID)
    found = named if named is not None else {name: str(getattr(config, name, None)) for name in CONTRACTS}
    return [name for name, pinned in CONTRACTS.items() if found.get(name, "").lower() != pinned.lower()]
