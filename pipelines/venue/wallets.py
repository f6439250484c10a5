"""Addresses of the wallets that a key owns: proxy, Safe and deposit wallet, as polymarket-client 0.14 derives them.

A factory makes each wallet at an address that its code and its owner decide (EIP-1014), so a wrong funder is found
without a request. Factories and codes are those of Polygon.
"""

from typing import Final

from eth_abi.abi import encode
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

EOA: Final = 0
PROXY: Final = 1
SAFE: Final = 2
DEPOSIT: Final = 3
"""Signature types of orders, by the kind of wallet that holds the funds."""

NAMES: Final = {EOA: "plain key", PROXY: "proxy", SAFE: "Safe", DEPOSIT: "deposit wallet"}

PROXY_FACTORY: Final = "0xaB45c5A4B0c941a2F231C04C3f49182e1A254052"
DEPOSIT_FACTORY: Final = "0x00000000000Fb5C9ADea0298D729A0CB3823Cc07"
_PROXY_CODE: Final = "44e999d5c2F66Ef0861317f9A4805AC2e90aEB4f"
_SAFE_FACTORY: Final = "0xaacFeEa03eb1561C4e67d661e40682Bd20E3541b"
_SAFE_INIT_HASH: Final = "2bce2127ff07fb632d16c8347c4ebf501f4841168bed00d9e6ef715ddb6fcecf"
_DEPOSIT_CODE: Final = "58CA52ebe0DadfdF531Cde7062e76746de4Db1eB"
_DEPOSIT_BEACON: Final = "7A18EDfe055488A3128f01F563e5B479D92ffc3a"


def addresses(owner: str, signature_type: int) -> tuple[str, ...]:
    """Checksummed addresses of the wallets of a kind that `owner` may have, the newest kind of factory first.

    A deposit wallet has two candidates: the factory changed from one code for all (UUPS) to a beacon.
    """
    if signature_type == EOA:
        return (to_checksum_address(owner),)
    if signature_type == PROXY:
        return (_made_by(PROXY_FACTORY, keccak(_raw(owner)), keccak(_proxy_code())),)
    if signature_type == SAFE:
        return (_made_by(_SAFE_FACTORY, keccak(encode(["address"], [owner])), bytes.fromhex(_SAFE_INIT_HASH)),)
    arguments = encode(["address", "bytes32"], [DEPOSIT_FACTORY, _raw(owner).rjust(32, b"\0")])
    codes = (_beacon_code(arguments), _uups_code(arguments))
    return tuple(_made_by(DEPOSIT_FACTORY, keccak(arguments), keccak(code)) for code in codes)


def _raw(address: str) -> bytes:
    return bytes.fromhex(address.removeprefix("0x"))


def _made_by(factory: str, salt: bytes, code_hash: bytes) -> str:
    return to_checksum_address("0x" + keccak(b"\xff" + _raw(factory) + salt + code_hash)[12:].hex())


def _proxy_code() -> bytes:
    begin = f"3d3d606380380380913d393d73{_raw(PROXY_FACTORY).hex()}5af4602a57600080fd5b602d8060366000396000f3"
    clone = f"363d3d373d3d3d363d73{_PROXY_CODE}5af43d82803e903d91602b57fd5bf3"
    return bytes.fromhex(f"{begin}{clone}52e831dd{32:064x}{0:064x}")


def _uups_code(arguments: bytes) -> bytes:
    begin = (0x61003D3D8160233D3973 + (len(arguments) << 56)).to_bytes(10, "big").hex()
    proxy = "5155f3363d3d373d3d363d7f360894a13ba1a3210667c828492db98dca3e2076"
    rest = "cc3735a920a3ca505d382bbc545af43d6000803e6038573d6000fd5b3d6000f3"
    return bytes.fromhex(f"{begin}{_DEPOSIT_CODE}6009{proxy}{rest}") + arguments


def _beacon_code(arguments: bytes) -> bytes:
    begin = (0x6100523D8160233D3973 + (len(arguments) << 56)).to_bytes(10, "big").hex()
    proxy = "60195155f3363d3d373d3d363d602036600436635c60da"
    slot = "1b60e01b36527fa3f0ad74e5423aebfd80d3ef4346578335a9a72aeaee59ff6c"
    rest = "b3582b35133d50545afa5036515af43d6000803e604d573d6000fd5b3d6000f3"
    return bytes.fromhex(f"{begin}{_DEPOSIT_BEACON}{proxy}{slot}{rest}") + arguments
