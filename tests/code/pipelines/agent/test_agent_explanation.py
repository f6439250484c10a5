"""Rules of the agent's page: it shows the boundaries that the policy has."""

import sys
from pathlib import Path

import numpy as np
import pytest

from pipelines.agent.explanation import EDGES, HELD_EDGES, explained, page
from pipelines.agent.training import dataset
from pipelines.trading import observation
from pipelines.trading.observation import LEAST_COST

sys.path.insert(0, str(Path(__file__).parents[1] / "replay"))
from test_replay_identity import CASH, PARAMS, TABLE, history, scaler

PAST = [history(seed) for seed in range(8)]


def data(decisions="entries"):
    """Random markets whose agent decides entries or every bar."""
    agent = PARAMS.agent.model_copy(update={"decisions": decisions})
    return dataset(PAST, PARAMS.model_copy(update={"agent": agent}), TABLE, scaler(), 60)


class Scripted:
    """A policy that enters with the move from `least` round trips on, read off the forecast block."""

    def __init__(self, made, least):
        self.made, self.least = made, least
        signals = made.tape.signals
        self.ratio = signals[:, 0] / np.maximum(signals[:, 2], LEAST_COST)
        self.rows = {made.field.inputs[row].tobytes(): row for row in range(len(signals))}

    def predict(self, seen, deterministic):
        """The whole cap in the direction of the move, or nothing."""
        market = np.ascontiguousarray(np.concatenate((seen[:, :15], seen[:, 20:]), axis=1))
        ratio = np.array([self.ratio[self.rows[one.tobytes()]] for one in market])
        return np.where(np.abs(ratio) >= self.least, 7 + np.sign(ratio), 7).astype(np.int64), None


@pytest.mark.parametrize("least", [1.0, 1.5])
def test_the_boundary_of_the_policy_is_found(least):
    """In every band the boundary of a policy that enters from some round trips on is these round trips."""
    made = data()
    found = explained(Scripted(made, least), made, CASH)
    known = [one for factor in found["entries"].values() for one in factor["boundary"] if one is not None]
    assert found["against_the_move"] == 0.0
    assert known
    assert min(known) == least
    for factor in found["entries"].values():
        for row in factor["entered"]:
            assert all(share in (0.0, None) for edge, share in zip(EDGES, row, strict=True) if edge < least)


def test_the_given_exit_is_the_rule_of_the_network():
    """An agent that decides entries alone shows the threshold rule's exit: kept above its bar, left when it is old."""
    made = data()
    exits = explained(Scripted(made, 1.0), made, CASH)["exits"]
    bar = -made.teacher.rule.exit_multiple
    assert exits["given"]
    assert exits["kept"][0] == [float(edge + 0.125 > bar) for edge in HELD_EDGES]
    assert exits["kept"][-1] == [0.0] * len(HELD_EDGES)


def test_an_agent_that_decides_every_bar_shows_its_own_exits():
    """With decisions at every bar the shares of kept positions are what the policy did with them."""
    made = data("bars")
    exits = explained(Scripted(made, 1.0), made, CASH)["exits"]
    assert not exits["given"]
    pairs = zip(HELD_EDGES, exits["kept"][0], strict=True)
    assert {share for edge, share in pairs if share is not None and edge < 1.0} <= {0.0}


def test_the_page_escapes_and_shows_every_factor():
    """The page has a table for each factor and for the exits, and no name is taken for markup."""
    made = data()
    found = explained(Scripted(made, 1.0), made, CASH)
    text = page(found, "<b>ppo</b>", "It did not beat the rule.")
    assert text.count("<table>") == len(found["entries"]) + 1
    assert "&lt;b&gt;ppo" in text
    assert "It did not beat the rule." in text
    assert page({"asked": 0, "entries": {}, "exits": {}}, "ppo", "").count("<table>") == 0
    assert made.field.observation_size == observation.FULL_SIZE
