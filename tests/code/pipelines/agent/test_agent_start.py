"""An agent that begins from the champion's parameters."""

from types import SimpleNamespace

import numpy as np
import torch

from pipelines.agent.training import begins_from
from pipelines.inference.start_point import StartPoint


def learner(width: int) -> SimpleNamespace:
    """Something with a policy, as SB3's learners have."""
    return SimpleNamespace(policy=torch.nn.Sequential(torch.nn.Linear(3, width), torch.nn.Linear(width, 2)))


def test_the_champions_parameters_are_taken_where_they_fit() -> None:
    """A learner of the same form acts as the champion; one of another form, or without a champion's agent, keeps what
    it has and is warm-started as before."""
    champion, fresh, other = learner(4), learner(4), learner(5)
    given = {name: value.numpy() for name, value in champion.policy.state_dict().items()}
    start = StartPoint("a" * 64, None, None, given)
    seen = torch.from_numpy(np.eye(3, dtype=np.float32))
    assert begins_from(fresh, start)
    assert torch.equal(fresh.policy(seen), champion.policy(seen))
    before = other.policy(seen)
    assert not begins_from(other, start)
    assert not begins_from(other, StartPoint("a" * 64, None, None, None))
    assert not begins_from(other, None)
    assert torch.equal(other.policy(seen), before)
