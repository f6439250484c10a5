"""The contract of policies: what breaks it is found and named."""

import random
import re
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from test_replay_identity import PARAMS, TABLE, history, scaler

from pipelines.core.domain import Direction
from pipelines.core.errors import StrategyError
from pipelines.replay import rules
from pipelines.replay.contract import another_future, verify
from pipelines.replay.loop import replay, tape
from pipelines.trading import policies
from pipelines.trading.policies import CASH, DeclaredPolicy, Target
from pipelines.trading.policies.registry import builtin

HISTORIES = [history(seed) for seed in (1, 2)]


def signed(value):
    """A target in the direction of a value."""
    return Target(Direction.LONG if value > 0 else Direction.SHORT, 1.0)


class Honest(DeclaredPolicy):
    """Reads its inputs alone."""

    kind = "honest"

    def target(self, inputs, position, observation):
        return signed(inputs.features[0]) if position is None else CASH


class Drawing(Honest):
    """Draws from the shared random state."""

    kind = "drawing"

    def target(self, inputs, position, observation):
        return signed(random.random() - 0.5)


class Counting(Honest):
    """Remembers how often it was asked."""

    kind = "counting"
    asked = 0

    def target(self, inputs, position, observation):
        self.asked += 1
        return signed(self.asked % 3 - 1)


class Peeking(Honest):
    """Looks at the next bar through the array that its features are a row of."""

    kind = "peeking"

    def target(self, inputs, position, observation):
        table = inputs.features.base
        now = (inputs.features.ctypes.data - table.ctypes.data) // table.strides[0]
        return signed(table[min(now + 1, len(table) - 1), 0])


class Reading(Honest):
    """Reads a file while it decides."""

    kind = "reading"

    def target(self, inputs, position, observation):
        with open("params.yaml", encoding="utf-8") as stream:  # noqa: PTH123
            return signed(len(stream.read(3)))


class Timing(Honest):
    """Looks at the clock."""

    kind = "timing"

    def target(self, inputs, position, observation):
        return signed(time.perf_counter_ns() % 2)


class Dividing(Honest):
    """Divides by what may be 0."""

    kind = "dividing"

    def target(self, inputs, position, observation):
        return signed(1.0 / inputs.sentiment)


class Shouting(Honest):
    """Wants twice the cap."""

    kind = "shouting"

    def target(self, inputs, position, observation):
        return Target(Direction.LONG, 2.0)


@pytest.mark.parametrize(
    "kind", [one for one in builtin().values() if one.compared] + [Honest], ids=lambda one: one.kind
)
def test_our_policies_keep_the_contract(kind):
    """Every policy that is compared depends on its inputs alone."""
    verify(kind, HISTORIES, PARAMS, scaler(), 60)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (Drawing, "its target changes when the same bars are played again"),
        (Timing, "its target changes when the same bars are played again"),
        (Counting, "its target changes with the order of questions: it remembers"),
        (Peeking, "its target changes when only what comes later is changed: it looks ahead"),
        (Reading, r"reading causes open\('params\.yaml'\) while it decides"),
        (Dividing, r"dividing raises ZeroDivisionError \(float division by zero\) at \d+ in 0x0"),
        (Shouting, r"a target is Target\(Direction, share of the cap"),
    ],
    ids=lambda one: getattr(one, "kind", ""),
)
def test_a_policy_that_breaks_the_contract_is_refused(kind, message):
    """Randomness, a clock, memory, a look ahead, files and impossible wishes are each named."""
    with pytest.raises(StrategyError, match=message):
        verify(kind, HISTORIES, PARAMS, scaler(), 60)


def test_the_random_states_are_as_before():
    """The check draws from no shared state of its caller."""
    random.seed(7)
    np.random.seed(7)
    expected = random.Random(7).random(), np.random.RandomState(7).random()
    verify(Honest, HISTORIES[:1], PARAMS, scaler(), 60)
    assert (random.random(), np.random.random()) == expected


def test_the_example_of_the_docs_is_a_policy(tmp_path, monkeypatch):
    """The file that docs/extending.md shows is found in a working folder, keeps the contract and trades."""
    page = (Path(__file__).parents[4] / "docs/extending.md").read_text()
    (text,) = re.findall(r"```python\n(.*?strategies/breakout.*?)```", page, flags=re.S)
    (tmp_path / "strategies").mkdir()
    (tmp_path / "strategies/breakout.py").write_text(text)
    monkeypatch.chdir(tmp_path)
    verify(policies.find("breakout", PARAMS), HISTORIES, PARAMS, scaler(), 60)
    made = rules.make("breakout", PARAMS, TABLE, scaler(), 60)
    assert replay(tape(HISTORIES, None, 1_500), made, 10_000_000_000).fills


def test_markets_with_a_reference_price_can_be_tested():
    """Where the reference price implies a probability, its future is exchanged too, and its past is not."""
    one = replace(HISTORIES[0], fair=np.column_stack([np.linspace(0.2, 0.7, len(HISTORIES[0]))] * 2))
    verify(Honest, [one], PARAMS, scaler(), 60)
    cut = len(one) // 2
    other = another_future(one, int(one.ts_s[cut]))

    assert np.array_equal(other.fair[: cut + 1], one.fair[: cut + 1])
    assert (other.fair[cut + 1 :] != one.fair[cut + 1 :]).all()
