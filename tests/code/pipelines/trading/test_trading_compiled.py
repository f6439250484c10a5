import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.core import money
from pipelines.trading import compiled, kernel


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from([1, -1]),
    st.integers(1, 10**6),
    st.integers(1, 99),
    st.integers(1, 99),
    st.floats(0.0, 0.3),
    st.sampled_from([0.0, 0.01, 0.04, 0.05, 0.25]),
    st.sampled_from([1.0, 2.0]),
)
def test_compiled_walk_equals_the_plain_one(side, hundredths, limit, touch, impact_share, rate, exponent):
    """The machine code of the kernel gives the plain result to the base unit, fee included."""
    impact = kernel.impact_units(150, impact_share)
    arguments = (side, hundredths * 10_000, limit * 100, touch * 100, 100, impact, 1_500_000_000, rate, exponent)
    assert compiled.walk(*arguments) == kernel.walk(*arguments)


def test_compiled_fee_equals_the_plain_one():
    """The fee, the one number that passes through float64, rounds alike in both forms."""
    rng = np.random.default_rng(1)
    fast = compiled._FAST["fee_micro"]
    for shares, price in zip(rng.integers(1, 10**6, 2000) * 10_000, rng.integers(1, 10_000, 2000), strict=True):
        for rate, exponent in ((0.05, 1.0), (0.25, 2.0), (0.07, 1.5)):
            arguments = (int(shares), int(price), rate, exponent)
            assert fast(*arguments) == money.fee_micro(*arguments)
