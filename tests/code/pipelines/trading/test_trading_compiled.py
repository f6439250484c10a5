import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.core import money
from pipelines.trading import compiled, kernel

PIPELINES = Path(compiled.__file__).parents[1]


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
    shown = (700_000_000, 1_500_000_000)
    arguments = (side, hundredths * 10_000, limit * 100, touch * 100, 100, impact, *shown, rate, exponent)
    assert compiled.walk(*arguments) == kernel.walk(*arguments)


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from([1, -1]),
    st.integers(1, 10**6),
    st.integers(1, 99),
    st.integers(1, 97),
    st.integers(1, 3),
    st.integers(0, 10**10),
    st.integers(0, 10**10),
    st.integers(0, 10**10),
)
def test_a_compiled_rest_equals_the_plain_one(side, hundredths, limit, bid, spread, traded, ahead, depth):
    """The machine code of what crosses a limit and of a resting fill gives the plain results to the base unit."""
    other = bid + spread if side > 0 else bid
    shown = (side, limit * 100, other * 100, 100, depth, depth)
    assert compiled.crossing_micro(*shown) == kernel.crossing_micro(*shown)
    rests = (side, hundredths * 10_000, limit * 100, bid * 100, (bid + spread) * 100, traded, ahead)
    crossing = kernel.crossing_micro(*shown)
    assert compiled.resting_fill(*rests, crossing) == kernel.resting_fill(*rests, crossing)


def test_compiled_fee_equals_the_plain_one():
    """The fee, the one number that passes through float64, rounds alike in both forms."""
    rng = np.random.default_rng(1)
    fast = compiled._FAST["fee_micro"]
    for shares, price in zip(rng.integers(1, 10**6, 2000) * 10_000, rng.integers(1, 10_000, 2000), strict=True):
        for rate, exponent in ((0.05, 1.0), (0.25, 2.0), (0.07, 1.5)):
            arguments = (int(shares), int(price), rate, exponent)
            assert fast(*arguments) == money.fee_micro(*arguments)


WALK = """
from pipelines.trading import compiled
compiled.walk(1, 10_000, 5_000, 4_000, 100, 10, 1_500_000_000, 1_500_000_000, 0.05, 1.0)
print(compiled.__file__, sum(compiled.walk.stats.cache_hits.values()), sum(compiled.walk.stats.cache_misses.values()))
"""


def test_a_copy_of_the_sources_finds_the_machine_code(tmp_path):
    """What one checkout compiled is loaded by another one of the same sources instead of being compiled again."""

    def walked(name):
        folder = tmp_path / name
        for package in ("core", "features", "trading"):
            shutil.copytree(PIPELINES / package, folder / "pipelines" / package)
        shutil.copy(PIPELINES / "__init__.py", folder / "pipelines")
        environment = {**os.environ, "PYTHONPATH": str(folder), "XDG_CACHE_HOME": str(tmp_path / "cache")}
        command = [sys.executable, "-c", WALK]
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=True)
        file, hits, misses = done.stdout.split()
        assert Path(file).is_relative_to(folder)
        return int(hits), int(misses)

    assert walked("one") == (0, 1)
    assert walked("other") == (1, 0)
