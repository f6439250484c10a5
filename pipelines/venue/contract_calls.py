"""Calls of the venue's contracts from a wallet: redeem, split and merge, as polymarket-client 0.14 encodes them.
A market id that is no condition id raises `ValueError`.

Which contract serves a market depends on its protocol version and on negative risk. A conversion of NO shares is no
call of that library, so none is built here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from eth_abi.abi import encode
from eth_utils.crypto import keccak

from pipelines.core.domain import Market, Outcome

PUSD: Final = "0xC011a7E12a19f7B1f670d46F03B03f3342E82DFB"
ADAPTER: Final = "0xAdA100Db00Ca00073811820692005400218FcE1f"
NEG_RISK_ADAPTER: Final = "0xadA2005600Dec949baf300f4C6120000bDB6eAab"
ROUTER: Final = "0x12121212006e4CD160D18e3f00711DA5c3372600"
MULTISEND: Final = "0xA238CBeb142c10Ef7Ad8442C6D1f9E89e07e7761"

_NO_PARENT: Final = bytes(32)
_BOTH: Final = [1, 2]
"""Index sets of the two outcomes."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call: the contract, and what it is sent."""

    target: str
    data: bytes


def redeem(market: Market, held_micro: Mapping[Outcome, int]) -> tuple[Call, ...]:
    """Calls that pay what is held of a decided market; none where nothing is held. Base units by outcome."""
    if market.version == "v2":
        condition = _condition31(market)
        return tuple(
            _call(ROUTER, "redeem(bytes31,uint256,uint256)", condition, index, held_micro[outcome])
            for index, outcome in enumerate(Outcome)
            if held_micro.get(outcome)
        )
    if not any(held_micro.values()):
        return ()
    target, condition = _adapter(market), _condition32(market)
    return (_call(target, "redeemPositions(address,bytes32,bytes32,uint256[])", PUSD, _NO_PARENT, condition, _BOTH),)


def split(market: Market, micro: int) -> tuple[Call, ...]:
    """The call that turns pUSD into as many pairs of shares (base units)."""
    return (_pairs("split", market, micro),)


def merge(market: Market, micro: int) -> tuple[Call, ...]:
    """The call that turns pairs of shares into as many pUSD (base units)."""
    return (_pairs("merge", market, micro),)


def _pairs(kind: str, market: Market, micro: int) -> Call:
    if market.version == "v2":
        return _call(ROUTER, f"{kind}(bytes31,uint256)", _condition31(market), micro)
    name = {"split": "splitPosition", "merge": "mergePositions"}[kind]
    signature = f"{name}(address,bytes32,bytes32,uint256[],uint256)"
    return _call(_adapter(market), signature, PUSD, _NO_PARENT, _condition32(market), _BOTH, micro)


def _adapter(market: Market) -> str:
    return NEG_RISK_ADAPTER if market.neg_risk else ADAPTER


def _condition32(market: Market) -> bytes:
    condition = bytes.fromhex(market.market_id.removeprefix("0x"))
    if len(condition) != 32:
        raise ValueError(f"{len(condition)} bytes instead of 32")
    return condition


def _condition31(market: Market) -> bytes:
    condition = bytes.fromhex(market.market_id.removeprefix("0x"))[:31]
    if len(condition) != 31:
        raise ValueError(f"{len(condition)} bytes instead of 31")
    return condition


def _call(target: str, signature: str, *arguments: Any) -> Call:
    types = signature[signature.index("(") + 1 : -1].split(",")
    return Call(target, keccak(signature.encode())[:4] + encode(types, list(arguments)))


def multisend(calls: tuple[Call, ...]) -> bytes:
    """Data for the contract `MULTISEND` that makes several calls one, for a Safe."""
    inside = b"".join(
        b"\0" + bytes.fromhex(call.target[2:]) + bytes(32) + len(call.data).to_bytes(32, "big") + call.data
        for call in calls
    )
    return keccak(b"multiSend(bytes)")[:4] + encode(["bytes"], [inside])


def proxied(calls: tuple[Call, ...]) -> bytes:
    """Data for the factory of proxies that makes several calls from the caller's proxy."""
    parts = [(1, call.target, 0, call.data) for call in calls]
    return keccak(b"proxy((uint8,address,uint256,bytes)[])")[:4] + encode(["(uint8,address,uint256,bytes)[]"], [parts])
