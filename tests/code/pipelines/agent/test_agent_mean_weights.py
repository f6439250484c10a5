"""The mean of the weights of a training's later part."""

from types import SimpleNamespace

import torch
from torch import nn

from pipelines.agent.judge import KeepBest
from pipelines.agent.mean_weights import SINCE, MeanWeights


def at(mean, policy, steps, weight):
    """A rollout that begins after so many steps with a weight."""
    policy.weight.data.fill_(weight)
    mean.num_timesteps = steps
    mean._on_rollout_start()


def started(timesteps=100):
    """A callback and the policy that it watches."""
    policy, mean = nn.Linear(1, 1, bias=False), MeanWeights(timesteps)
    mean.model = SimpleNamespace(policy=policy)
    return mean, policy


def test_weights_of_the_later_part_count_once_each():
    """Weights before SINCE do not count; a rollout that begins again after a stop counts once."""
    mean, policy = started()
    assert not mean.give(policy)
    at(mean, policy, 100 * SINCE - 1, 50.0)
    for steps, weight in ((40, 1.0), (60, 2.0), (60, 2.0)):
        at(mean, policy, steps, weight)
    again, _ = started()
    again.restore(mean.snapshot())
    again.model = mean.model
    at(again, policy, 60, 2.0)
    at(again, policy, 80, 6.0)
    assert again.give(policy)
    assert policy.weight.item() == 3.0


def test_what_is_judged_once_needs_no_margin(monkeypatch):
    """Weights that are judged at every look have to gain a standard error; the mean weights have to earn more."""
    judge = KeepBest(SimpleNamespace(tape=None), 0, 1)
    pnl = {}

    def play(*_):
        event_pnl = torch.tensor(pnl["now"]).double().numpy()
        return SimpleNamespace(event_pnl_pusd=lambda _: event_pnl, entries=0, exits={})

    monkeypatch.setattr("pipelines.agent.judge.evaluate", play)
    policy = nn.Linear(1, 1, bias=False)
    for now, once, kept in (([0.0, 0.0], False, 0.0), ([9.0, -6.0], False, 0.0), ([9.0, -6.0], True, 3.0)):
        pnl["now"] = now
        judge.judge(policy, 0, once=once)
        assert judge.best == kept
