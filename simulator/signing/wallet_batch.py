"""Hashes of the batches of calls that the owner of a wallet signs for the relayer, and their calls.

A deposit wallet signs the calls as they are; a Safe signs one call, and several through the multisend contract; a
proxy signs the data for its factory. Amounts and lengths come from outside and are checked.
"""

from dataclasses import dataclass

from simulator.signing.eip712 import CHAIN_ID, ZERO_ADDRESS, address_word, keccak, word

_DOMAIN = keccak(b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)")
_SAFE_DOMAIN = keccak(b"EIP712Domain(uint256 chainId,address verifyingContract)")
_CALL = b"Call(address target,uint256 value,bytes data)"
_CALL_TYPE = keccak(_CALL)
_BATCH_TYPE = keccak(b"Batch(address wallet,uint256 nonce,uint256 deadline,Call[] calls)" + _CALL)
_SAFE_TYPE = keccak(
    b"SafeTx(address to,uint256 value,bytes data,uint8 operation,uint256 safeTxGas,uint256 baseGas,uint256 gasPrice,"
    b"address gasToken,address refundReceiver,uint256 nonce)"
)
_SIGNED = b"\x19Ethereum Signed Message:\n32"

MULTISEND = "0xA238CBeb142c10Ef7Ad8442C6D1f9E89e07e7761"
PROXY_FACTORY = "0xaB45c5A4B0c941a2F231C04C3f49182e1A254052"
_MULTISEND_SELECTOR = keccak(b"multiSend(bytes)")[:4]
_PROXY_SELECTOR = keccak(b"proxy((uint8,address,uint256,bytes)[])")[:4]


@dataclass(frozen=True, slots=True)
class Call:
    """A call of a contract from a wallet."""

    target: str
    value: int
    data: bytes


def batch_digest(wallet: str, nonce: int, deadline_s: int, calls: tuple[Call, ...]) -> bytes:
    """The hash that the owner of a deposit wallet signs.

    Raises:
        ValueError: if an address is malformed.
        OverflowError: if a number does not fit 256 bits.
    """
    separator = keccak(_DOMAIN + keccak(b"DepositWallet") + keccak(b"1") + word(CHAIN_ID) + address_word(wallet))
    hashes = b"".join(
        keccak(_CALL_TYPE + address_word(call.target) + word(call.value) + keccak(call.data)) for call in calls
    )
    struct = keccak(_BATCH_TYPE + address_word(wallet) + word(nonce) + word(deadline_s) + keccak(hashes))
    return keccak(b"\x19\x01" + separator + struct)


def safe_digest(safe: str, call: Call, operation: int, nonce: int) -> bytes:
    """The hash that the owner of a Safe signs as a message; gas and refund are 0. Errors as in `batch_digest`."""
    separator = keccak(_SAFE_DOMAIN + word(CHAIN_ID) + address_word(safe))
    zero = address_word(ZERO_ADDRESS)
    struct = address_word(call.target) + word(call.value) + keccak(call.data) + word(operation)
    struct += word(0) * 3 + zero * 2 + word(nonce)
    return keccak(_SIGNED + keccak(b"\x19\x01" + separator + keccak(_SAFE_TYPE + struct)))


def proxy_digest(owner: str, data: bytes, gas_limit: int, nonce: int, hub: str, relay: str) -> bytes:
    """The hash that the owner of a proxy signs as a message; fee and gas price are 0. Errors as in `batch_digest`."""
    packed = b"rlx:" + address_word(owner)[12:] + address_word(PROXY_FACTORY)[12:] + data
    packed += word(0) * 2 + word(gas_limit) + word(nonce) + address_word(hub)[12:] + address_word(relay)[12:]
    return keccak(_SIGNED + keccak(packed))


def calls_of_safe(call: Call, operation: int) -> tuple[Call, ...]:
    """What a Safe's call does: itself, or the calls inside the multisend contract.

    Raises:
        ValueError: if the data is no list of calls, or delegates to another contract.
    """
    if operation == 0:
        return (call,)
    if operation != 1 or call.target.lower() != MULTISEND.lower() or call.data[:4] != _MULTISEND_SELECTOR:
        raise ValueError("only the multisend contract is delegated to")
    inside, place, found = _bytes_at(call.data[4:], _number(call.data[4:], 0)), 0, []
    while place < len(inside):
        head = _exactly(inside, place, 85)
        size = int.from_bytes(head[53:85], "big")
        data = _exactly(inside, place + 85, size)
        found.append(Call("0x" + head[1:21].hex(), int.from_bytes(head[21:53], "big"), data))
        place += 85 + size
    return tuple(found)


def calls_of_proxy(data: bytes) -> tuple[Call, ...]:
    """The calls inside the data for the factory of proxies.

    Raises:
        ValueError: if the data is no list of calls.
    """
    if data[:4] != _PROXY_SELECTOR:
        raise ValueError("the data calls no proxy")
    arguments = data[4:]
    items = arguments[_number(arguments, 0) :]
    found = []
    for index in range(min(_number(items, 0), 1_000)):
        entry = items[32 + _number(items, 32 + 32 * index) :]
        target, value = "0x" + _exactly(entry, 32, 32)[12:].hex(), _number(entry, 64)
        found.append(Call(target, value, _bytes_at(entry, _number(entry, 96))))
    return tuple(found)


def _exactly(data: bytes, place: int, size: int) -> bytes:
    part = data[place : place + size]
    if len(part) != size:
        raise ValueError("the data ends too early")
    return part


def _number(data: bytes, place: int) -> int:
    return int.from_bytes(_exactly(data, place, 32), "big")


def _bytes_at(data: bytes, place: int) -> bytes:
    return _exactly(data, place + 32, _number(data, place))
