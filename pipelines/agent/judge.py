"""Judging a policy on the held-out events while it learns, and keeping the best weights."""

import copy
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from stable_baselines3.common.callbacks import BaseCallback

from pipelines.agent.imitation import Teacher
from pipelines.core import log
from pipelines.core.domain import FloatArray
from pipelines.replay.account import AccountTape, Played, play_policy, play_rule, rule_numbers
from pipelines.replay.lanes import Field, decoded
from pipelines.replay.policy_search import interval

LOG = log.get("agent")


@dataclass(frozen=True)
class Dataset:
    """What an agent is trained or judged on."""

    field: Field
    par: FloatArray
    teacher: Teacher
    tape: AccountTape
    entries_only: bool
    """Whether the agent decides entries alone."""
    bar_pusd: float = 0.0
    """P&L per bar of an account under the threshold rule, without compounding, in pUSD."""

    @property
    def keep(self) -> FloatArray | None:
        """The rule that leaves what is held, where the agent decides entries alone."""
        return rule_numbers(self.teacher.rule) if self.entries_only else None


def evaluate(policy: Any, data: Dataset, cash_micro: int) -> Played:
    """One account with every limit in all markets, under the deterministic policy."""

    def choose(seen: Any, _rows: Any) -> Any:
        return decoded(policy.predict(seen, deterministic=True)[0])

    return play_policy(data.tape, data.par, choose, cash_micro, data.keep)


def rule_pnl(data: Dataset, cash_micro: int) -> FloatArray:
    """P&L of each event under the threshold rule, in the same account, pUSD."""
    return play_rule(data.tape, data.par, rule_numbers(data.teacher.rule), cash_micro).event_pnl_pusd(data.tape)


def gained(now: FloatArray, before: FloatArray) -> bool:
    """Whether P&L by event is larger in sum by more than one standard error of the difference over events.

    A policy is judged many times: without that margin the luckiest judgement would win.
    """
    more = now - before
    error = np.std(more, ddof=1) * np.sqrt(len(more)) if len(more) > 1 else 0.0
    return bool(more.sum() > error)


def against(agent: FloatArray, rule: FloatArray) -> dict[str, Any]:
    """The difference of P&L by event in pUSD with its 95 % bootstrap interval over events, and a sentence about it."""
    low, high = interval(agent - rule)
    more, events = float((agent - rule).sum()), len(agent)
    verdict = "beat" if low > 0.0 else "lost to" if high < 0.0 else "did not beat"
    sentence = (
        f"The agent {verdict} the threshold rule on {events} events that it did not train on: {more:+,.0f} pUSD"
        f" (95 % interval {low:+,.0f} to {high:+,.0f})."
    )
    interval_pusd = [round(low, 2), round(high, 2)]
    return {"difference_pusd": round(more, 2), "interval_pusd": interval_pusd, "events": events, "sentence": sentence}


class KeepBest(BaseCallback):
    """Judges the policy every so many steps and remembers the weights of the last one that gained on those before."""

    def __init__(self, held_out: Dataset, cash_micro: int, every: int) -> None:
        super().__init__()
        self.best = float("-inf")
        """P&L of the kept weights, pUSD."""
        self.pnl: FloatArray | None = None
        """The same by event."""
        self.curve: list[tuple[int, float]] = []
        self.rows: list[dict[str, float]] = []
        """Everything that was measured at each judgement."""
        self.seconds: list[float] = []
        """Wall seconds since the judge was made, of each judgement of this process."""
        self._made = time.perf_counter()
        self._weights: dict[str, Any] = {}
        self._held_out = held_out
        self._cash = cash_micro
        self._every = every
        self._judged = 0

    def judge(self, policy: Any, steps: int, *, once: bool = False) -> None:
        """Measure now. What is judged `once`, as the mean weights are, replaces what was kept where it earned more; of
        weights that are judged again and again it has to be more than chance gives the luckiest (`gained`).
        """
        played = evaluate(policy, self._held_out, self._cash)
        pnl = played.event_pnl_pusd(self._held_out.tape)
        total = float(pnl.sum())
        self._judged = steps
        self.curve.append((steps, round(total, 2)))
        self.rows.append({"held_out/pnl_pusd": total, "held_out/entries": played.entries} | played.exits)
        self.seconds.append(round(time.perf_counter() - self._made, 2))
        LOG.info("held-out events", steps=steps, pnl_pusd=round(total, 2), entries=played.entries)
        if self.pnl is None or gained(pnl, self.pnl) or (once and total > self.best):
            self.best, self.pnl = total, pnl
            self._weights = copy.deepcopy(policy.state_dict())

    def give_back(self, policy: Any) -> None:
        """Give the policy the kept weights back."""
        if self._weights:
            policy.load_state_dict(self._weights)

    def snapshot(self) -> dict[str, Any]:
        """What was judged so far."""
        kept = ("best", "curve", "rows", "pnl", "_weights", "_judged")
        return {name: getattr(self, name) for name in kept}

    def restore(self, kept: dict[str, Any]) -> None:
        """Go on from a snapshot."""
        self.__dict__.update(kept)

    def due(self) -> bool:
        """Whether it is time to judge again."""
        return self.num_timesteps - self._judged >= self._every

    def _on_step(self) -> bool:
        return True

    def _on_rollout_start(self) -> None:
        """The policy that the last update made is judged before it collects again."""
        if self.due():
            self.judge(self.model.policy, self.num_timesteps)
            for name, value in self.rows[-1].items():
                self.logger.record(name, value)
