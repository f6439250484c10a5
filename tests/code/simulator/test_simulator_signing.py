"""Hashes and signatures against golden vectors recorded from the venue's own clients."""

import base64

import pytest

from simulator.signing.credentials import KeyRing, request_signature
from simulator.signing.eip712 import SignedFields, auth_digest, order_digest
from simulator.signing.recover import BadSignature, checksum, order_signer, recover, signature_bytes

ADDRESS = "0x19E7E376E7C213B7E7e7e46cc70A5dD086DAff2A"
MAKER = "0x2222222222222222222222222222222222222222"
TOKEN = 71321045679252212594626385532706912750332728571942532289631379312455583992563
V2_SIGNATURE = (
    "0xf9db2aa8e5a93001b5db4c537fe70f1b0e5575be4da0ed6924f8893f61b88c2a"
    "3941d753ab791ce141fd60e58bdc7621e32e6d4623475518da9cbe4f0c14e77d1c"
)
LOGIN = (
    "0x0f08c184141f23f61012ba15fef7303dff47a1da48c10ae8a6737eff59618f6e"
    "568b2868fedf252be3eb6e80f3a5f09bfdf609cd8f1c9725f9862742b33dc5fc1b"
)
SECRET = "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0MTI="


def fields(**changes) -> SignedFields:
    """The recorded order, with some fields changed."""
    known = {
        "salt": 123456, "maker": MAKER, "signer": ADDRESS, "token_id": TOKEN, "maker_amount": 5_200_000,
        "taker_amount": 10_000_000, "side": 0, "signature_type": 2, "timestamp_ms": 1_700_000_000_000,
    }  # fmt: skip
    return SignedFields(**(known | changes))


@pytest.mark.parametrize(
    ("version", "neg_risk", "expected"),
    [
        (1, False, "a370872294526dd129f96cdad08e21d7c33a23ccf4c22865b5a7109d2c4aed60"),
        (2, False, "7b7572fa279e25e56db5172bb56d010f0e79fa8e74243d95aeef4393ee8e29bc"),
        (2, True, "6dbccc38086df37d9107c91e93a90e35ba368d6f514c02179a28e333672df6d0"),
        (3, False, "00d62cde3ab8b1357f0746a9b07991f25ff6edd1a78e43a2e1f3d8e52471ef42"),
    ],
)
def test_order_hash(version, neg_risk, expected):
    """The order id of every domain version equals the recorded EIP-712 hash."""
    assert order_digest(fields(), version, neg_risk).hex() == expected


def test_order_hash_of_deposit_wallet():
    """With signature type 3 the wallet is maker and signer, and the hash covers that."""
    digest = order_digest(fields(signature_type=3, signer=MAKER), 2, False)
    assert digest.hex() == "2912d074499e96aa9ba926ab8ec6e8a196b3bbe7ac207b010f4592f5c28d31c0"


def test_order_signer_is_recovered():
    """The recorded signature belongs to the recorded key, and to no other order."""
    assert order_signer(fields(), 2, False, signature_bytes(V2_SIGNATURE)) == ADDRESS
    assert order_signer(fields(salt=1), 2, False, signature_bytes(V2_SIGNATURE)) != ADDRESS


def test_login_vector():
    """The recorded L1 signature logs its address in, and no other address."""
    ring = KeyRing()
    assert recover(auth_digest(ADDRESS, "1700000000", 0), signature_bytes(LOGIN)) == ADDRESS
    assert ring.login(ADDRESS.lower(), LOGIN, "1700000000", "0") == ADDRESS
    with pytest.raises(BadSignature):
        ring.login(MAKER, LOGIN, "1700000000", "0")


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (b"1700000000GET/data/orders", "vNkgXDS1sUHHCyN3pBe-_WOl-3EI_Q76WWBN4UvFwws="),
        (b'1700000000DELETE/order{"orderID":"0xabc"}', "Kead7AADq9EmBfHHhl8gSltDy9EvPTpHkV1KGCnH2YU="),
    ],
)
def test_request_signature(message, expected):
    """The HMAC of a request equals the recorded one, padding kept."""
    assert request_signature(SECRET, message) == expected


def test_keys_are_derived_again():
    """An address and nonce have one key: deriving gives what creating gave; other nonces have other keys."""
    ring = KeyRing()
    assert ring.find(ADDRESS, 0) is None
    made = ring.issue(ADDRESS, 0)
    assert ring.find(ADDRESS.lower(), 0) == made
    assert ring.find(ADDRESS, 1) is None
    assert len(base64.urlsafe_b64decode(made.secret)) == 32
    good = request_signature(made.secret, b"1GET/x")
    assert ring.check(made.key, made.passphrase, ADDRESS, good, b"1GET/x") == made
    assert ring.check(made.key, made.passphrase, MAKER, good, b"1GET/x") is None
    assert ring.check(made.key, "", ADDRESS, good, b"1GET/x") is None
    assert ring.check(made.key, made.passphrase, ADDRESS, "é", b"1GET/x") is None


@pytest.mark.parametrize("text", ["", "0x", "0xzz", "0x" + "11" * 64, "0x" + "11" * 64 + "05", "0x" + "ff" * 65])
def test_malformed_signatures(text):
    """A malformed signature is a BadSignature, never another error."""
    with pytest.raises(BadSignature):
        recover(b"\1" * 32, signature_bytes(text))


def test_checksum():
    """Addresses come back in EIP-55 form."""
    assert checksum(ADDRESS.lower()) == ADDRESS
