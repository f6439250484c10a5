"""EIP-712 hash of a batch of calls that the owner of a deposit wallet signs for the relayer."""

from dataclasses import dataclass

from simulator.signing.eip712 import CHAIN_ID, address_word, keccak, word

_DOMAIN = keccak(b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)")
_CALL = b"Call(address target,uint256 value,bytes data)"
_CALL_TYPE = keccak(_CALL)
_BATCH_TYPE = keccak(b"Batch(address wallet,uint256 nonce,uint256 deadline,Call[] calls)" + _CALL)


@dataclass(frozen=True, slots=True)
class Call:
    """A call of a contract from a wallet."""

    target: str
    value: int
    data: bytes


def batch_digest(wallet: str, nonce: int, deadline_s: int, calls: tuple[Call, ...]) -> bytes:
    """The hash that is signed.

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
