"""Orders are exact on integers and their hashes are the venue's."""

import pytest

from pipelines.core.domain import Outcome, Side
from pipelines.core.errors import DataError
from pipelines.core.orders import OrderIntent
from pipelines.venue.client_v1 import ClientV1
from pipelines.venue.signing import Amounts, OrderSigner, amounts

KEY = "0x" + "11" * 32
FUNDER = "0x2222222222222222222222222222222222222222"
TOKEN = "71321045679252212594626385532706912750332728571942532289631379312455583992563"


def intent(**changes: object) -> OrderIntent:
    """The golden order, changed."""
    fields: dict[str, object] = {
        "market_id": "0x" + "ab" * 32,
        "token_id": TOKEN,
        "outcome": Outcome.YES,
        "side": Side.BUY,
        "price_units": 5_200,
        "shares_micro": 10_000_000,
        "tick_units": 100,
        "neg_risk": False,
        "version": "v1",
        "reason": "enter",
        "ts_s": 0,
    }
    return OrderIntent(**(fields | changes))  # type: ignore[arg-type]


def signer(signature_type: int = 2) -> OrderSigner:
    """The golden key, salt and time."""
    return OrderSigner(
        KEY, signature_type=signature_type, funder=FUNDER, salt=lambda: "123456", now_ms=lambda: 1_700_000_000_000
    )


@pytest.mark.parametrize(
    ("changes", "signature_type", "expected"),
    [
        ({}, 2, "0x7b7572fa279e25e56db5172bb56d010f0e79fa8e74243d95aeef4393ee8e29bc"),
        ({"neg_risk": True}, 2, "0x6dbccc38086df37d9107c91e93a90e35ba368d6f514c02179a28e333672df6d0"),
        ({"version": "v2"}, 2, "0x00d62cde3ab8b1357f0746a9b07991f25ff6edd1a78e43a2e1f3d8e52471ef42"),
        ({}, 3, "0x2912d074499e96aa9ba926ab8ec6e8a196b3bbe7ac207b010f4592f5c28d31c0"),
    ],
    ids=["exchange", "neg risk", "market version 2", "deposit wallet"],
)
def test_hash_is_the_golden_one(changes: dict[str, object], signature_type: int, expected: str) -> None:
    """The hash that keys the journal equals the recorded one for every contract and wallet kind."""
    order_id, _ = signer(signature_type).sign(intent(**changes))

    assert order_id == expected


def test_old_hash_is_the_golden_one() -> None:
    """py-clob-client's orders are keyed by their hash too."""
    client = ClientV1("http://venue.test", KEY, signature_type=2, funder=FUNDER, salt=lambda: 123456)
    order_id, body = client.sign(intent())

    assert order_id == "0xa370872294526dd129f96cdad08e21d7c33a23ccf4c22865b5a7109d2c4aed60"
    assert body["order"]["feeRateBps"] == "0"


def test_old_orders_are_for_old_markets() -> None:
    """A market of protocol version 2 gets no order of domain version 1."""
    with pytest.raises(DataError, match="v1 alone"):
        ClientV1("http://venue.test", KEY).sign(intent(version="v2"))


def test_signature_is_the_golden_one() -> None:
    """The signature over a fixed order equals the recorded one."""
    _, signed = signer().sign(intent())

    assert signed.signature == (
        "0xf9db2aa8e5a93001b5db4c537fe70f1b0e5575be4da0ed6924f8893f61b88c2a"
        "3941d753ab791ce141fd60e58bdc7621e32e6d4623475518da9cbe4f0c14e77d1c"
    )


@pytest.mark.parametrize("cents", [115, 435, 29, 1, 999_999])
@pytest.mark.parametrize("price_units", [5_550, 9_850, 100, 9_900])
def test_amounts_are_exact(cents: int, price_units: int) -> None:
    """No size loses a hundredth of a share, and the cash is the exact product; floats lose both."""
    shares = cents * 10_000
    cash = cents * price_units

    buy = amounts(intent(shares_micro=shares, price_units=price_units, tick_units=50))
    sell = amounts(intent(shares_micro=shares, price_units=price_units, tick_units=50, side=Side.SELL))

    assert buy == Amounts(maker=cash, taker=shares)
    assert sell == Amounts(maker=shares, taker=cash)


@pytest.mark.parametrize(
    "changes",
    [
        {"shares_micro": 0},
        {"shares_micro": 10_005},
        {"price_units": 5_250},
        {"price_units": 0},
        {"price_units": 10_000},
    ],
)
def test_amounts_off_the_grid_are_refused(changes: dict[str, object]) -> None:
    """A size or price that the venue would round or refuse never gets a signature."""
    with pytest.raises(DataError, match=r"must (be|lie)"):
        signer().sign(intent(**changes))


def test_unknown_market_version_is_refused() -> None:
    """A market version without an order domain is not guessed."""
    with pytest.raises(DataError, match="v9"):
        signer().sign(intent(version="v9"))


@pytest.mark.parametrize("signature_type", [0, 1, 2, 3])
@pytest.mark.parametrize("changes", [{}, {"neg_risk": True}, {"version": "v2"}, {"side": Side.SELL}])
def test_an_order_has_the_signature_of_the_clients_builder(changes: dict[str, object], signature_type: int) -> None:
    """Signing the known hash gives what the client's own builder gives, for every kind of wallet."""
    wanted = intent(**changes)
    made = signer(signature_type)
    order_id, signed = made.sign(wanted)
    builder = made._builder(wanted)
    typed = builder.build_order_typed_data(signed)

    assert signed.signature == builder.build_order_signature(typed)
    assert order_id == builder.build_order_hash(typed)
