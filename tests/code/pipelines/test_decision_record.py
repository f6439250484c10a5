"""What `decide` saw comes back from the journal to the bit, in little space."""

import zlib
from dataclasses import replace

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_decide_limits import NOW, account, held, inputs, market, rules

from pipelines.core.domain import Forecast, Quote
from pipelines.decide import decide
from pipelines.decision_record import DESCRIBE_EVERY, OtherFormat, Packer, on_grid, pack, unpack
from serving.account.journal import decision_row

NAMES = [f"0x{number:064x}" for number in range(40)]


def seen(number=0, forecast=None, **changes):
    """Inputs of a market with a condition id."""
    about = replace(market(number), market_id=NAMES[number], event_id=f"e{number}")
    one = inputs(about=about)
    return replace(one, **{"forecast": forecast or one.forecast} | changes)


def bits(one):
    """Everything of an input, floats as bytes."""
    rows = (one.features, one.forecast.mean, one.forecast.lower, one.forecast.upper)
    plain = (one.market, one.bar, one.quote, one.sentiment, one.quote_age_s, one.forecast.confidence)
    marks = (one.warm, one.reference_units, one.reference_age_s)
    return plain, marks, tuple(np.asarray(row, dtype="<f8").tobytes() for row in rows)


FLOATS = st.one_of(
    st.floats(-1, 1),
    st.integers(-(2**20), 2**20).map(lambda units: units / 65_536),
    st.sampled_from([0.0, -0.0, 5e-324, 1e300, -1e300, 255.99, 256.0, 2**24 / 65_536]),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.lists(FLOATS, min_size=12, max_size=12), min_size=0, max_size=5), st.integers(0, 2**62))
def test_any_bar_comes_back_to_the_bit(rows, size):
    """Forecasts on the grid and off it, zeros of either sign, no market at all: nothing is rounded by the record."""
    made = [
        seen(
            number,
            Forecast(np.array(row[:3]), np.array(row[3:6]), np.array(row[6:9]), abs(row[9])),
            sentiment=row[10],
            features=np.resize(np.array(row), 15),
            quote=Quote(0, 10_000, size, 0),
            quote_age_s=size % 10_000,
            warm=number % 2 == 0,
            reference_units=size % 10_001,
            reference_age_s=size % 999,
        )
        for number, row in enumerate(rows)
    ]
    about = account(
        tripped=True,
        kill=True,
        paused=True,
        closing=frozenset({"0x7"}),
        positions={NAMES[0]: replace(held(), provisional_micro=5)},
    )
    back = unpack(pack(made, about), {})
    assert [bits(one) for one in back.inputs] == [bits(one) for one in made]
    assert (back.account.tripped, back.account.kill, back.account.positions) == (True, True, about.positions)
    assert (back.account.paused, back.account.closing) == (True, frozenset({"0x7"}))
    assert back.unknown == 0


def test_the_grid_moves_a_forecast_by_less_than_a_fiftieth_of_a_price_unit():
    """On the grid mean and interval keep their order, nothing moves by more than half a step, and it stays as it is."""
    rng = np.random.default_rng(1)
    mean = rng.normal(0, 0.1, 24)
    fine = np.stack((mean - rng.random(24), mean, mean + rng.random(24)))
    coarse = on_grid(fine)
    assert np.abs(coarse - fine).max() <= 0.5 / 65_536
    assert (np.diff(coarse, axis=0) >= 0.0).all()
    assert on_grid(coarse).tobytes() == coarse.tobytes()
    assert not np.signbit(on_grid(np.array([-1e-9]))).any()


def test_decisions_travel_with_their_inputs():
    """A decision is the same row from the record as from the table: order, refusal, hold."""
    made = [seen(0), seen(1, quote_age_s=999), seen(2)]
    decided = [decide(made[0], account(), rules()), decide(made[1], account(), rules()),
               decide(made[2], account(), rules(direction=0))]  # fmt: skip
    rows = [decision_row(one, True) for one in decided]
    back = unpack(Packer().pack(made, account(), rows), {})
    assert back.decisions == {row["market_id"]: row for row in rows}
    assert {row["action"] for row in rows} == {"enter_long", "hold"}
    assert unpack(pack(made, account()), {}).decisions == {}


def test_a_market_is_described_when_it_is_new_moves_or_was_not_for_a_while():
    """A reader that starts anywhere knows every market within so many bars; a tick that moved is there at once."""
    packer, known = Packer(), {}
    contents = [packer.pack([seen(0)], account()) for _ in range(DESCRIBE_EVERY + 1)]
    assert unpack(contents[1], {}).unknown == 1
    assert unpack(contents[0], known).unknown == unpack(contents[1], known).unknown == 0
    assert sum(unpack(content, {}).unknown == 0 for content in contents) == 2
    moved = seen(0, market=replace(seen(0).market, tick_units=10))
    assert unpack(packer.pack([moved], account()), {}).inputs[0].market.tick_units == 10


@pytest.mark.parametrize("names", [["0xab", "m1"], [NAMES[1], "0x" + "g" * 64], [NAMES[1][2:], NAMES[1]]])
def test_ids_of_any_form_are_kept(names):
    """Short ids, ids without a prefix and ids that are no number are written as they are."""
    made = [seen(0, market=replace(seen(0).market, market_id=name)) for name in names]
    made = [replace(one, bar=replace(one.bar, market_id=one.market.market_id)) for one in made]
    assert [one.market.market_id for one in unpack(pack(made, account()), {}).inputs] == names
    assert all(one.bar.ts_s == NOW for one in made)


def test_another_format_is_named():
    """A record of an older program is told apart from a broken one."""
    old = zlib.compress(msgspec.msgpack.encode({"format": 1, "account": {}, "inputs": []}))
    with pytest.raises(OtherFormat, match="format 1"):
        unpack(old, {})
