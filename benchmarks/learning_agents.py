"""Agents and searches of `benchmarks.learning`: trained on some worlds, chosen on others, as ONNX or numbers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.learning_varied import costs
from benchmarks.learning_worlds import LENGTH_S, Tapes, both_parts
from pipelines.core.domain import FloatArray
from pipelines.core.money import MICRO
from pipelines.core.params import Params
from pipelines.replay.account import AccountTape, Choose, Played, play_policy, play_shared
from pipelines.replay.lanes import decoded
from pipelines.replay.policy_search import Trained, mean_pnl, never, search, search_allocator
from pipelines.trading import compiled
from pipelines.trading.policies.learned import Learned

JUDGEMENTS = 6
"""Of one training. Weights replace those before where they gain more than a standard error over the choosing worlds."""
ALLOCATOR_GENERATIONS = 8
SEARCH_SEEDS = (1, 2)
"""Of the searches for the tuned rule; the choosing worlds take one of their results, or the mean of these."""
FROM_REWARDS = {"ent_coef": 0.01}
"""What PPO needs more of without a warm start."""
SHORT_HORIZON = {"gamma": 0.5}
"""Where entries alone are decided, the reward of an entry includes its opportunity cost already."""


@dataclass(frozen=True)
class Recipe:
    """How an agent is trained: section of params.yaml, what is changed in it, and who decides what."""

    learner: str
    timesteps: int
    imitation_epochs: int = 0
    decisions: str = "entries"
    shuffled: bool = False
    """Whether the rewards of each step are dealt to the lanes at random: nothing can be learned from these."""
    varied: bool = False
    """Whether it learns on `varied` worlds and recordings, and episodes draw their latency, impact and fill model."""
    changed: Mapping[str, Any] | None = None
    """Other values of the section."""


RECIPES = {
    "ppo_scratch": Recipe("ppo_entries", 3_000_000),
    "ppo_warm": Recipe("ppo_entries", 3_000_000, imitation_epochs=10),
    "ppo_warm_start": Recipe("ppo_entries", 0, imitation_epochs=10),
    "ppo_varied": Recipe("ppo_entries", 3_000_000, varied=True),
    "ppo_shuffled": Recipe("ppo_entries", 1_000_000, shuffled=True),
    "ppo_guide": Recipe("ppo", 100_000, decisions="bars"),
    "dqn": Recipe("dqn", 400_000, changed=SHORT_HORIZON),
    "qrdqn": Recipe("qrdqn", 200_000, changed=SHORT_HORIZON),
    "sac": Recipe("sac", 200_000, changed=SHORT_HORIZON),
}


def joined(parts: Sequence[AccountTape]) -> AccountTape:
    """The markets of many tapes, to train lanes on; the times of one follow those of the one before."""
    rows, markets, bars, firsts, lasts, orders, times, about = 0, 0, [], [], [], [], [np.zeros(1, dtype=np.int64)], []
    for part in parts:
        field = part.field
        shifted = field.bars.copy()
        shifted[:, compiled.MARKET] += markets
        bars.append(shifted)
        orders.append(part.rows + rows)
        times.append(part.edges[1:] + rows)
        # Numbers of events and topics differ between tapes, and are smaller than that of markets and topics.
        place = part.about.copy()
        place[:, :2] += np.where(place[:, :2] < 0, 0, 2 * markets)
        place[:, 2] += rows
        about.append(place)
        firsts.append(field.first + rows)
        lasts.append(field.last + rows)
        rows, markets = rows + len(field.bars), markets + len(field.first)
    fields = [part.field for part in parts]
    columns: dict[str, Any] = {
        name: np.concatenate([getattr(one, name) for one in fields])
        for name in ("inputs", "confidences", "markets", "fees", "resolved")
    }
    flat = replace(
        fields[0], bars=np.concatenate(bars), first=np.concatenate(firsts), last=np.concatenate(lasts), **columns
    )
    signals = np.concatenate([part.signals for part in parts])
    return AccountTape(flat, signals, np.concatenate(orders), np.concatenate(times), np.concatenate(about), ())


def choose_with(actor: Any) -> Choose:
    """The actions of a torch actor."""
    import torch  # noqa: PLC0415 - heavy, only where agents are trained

    def choose(seen: Any, _rows: Any) -> Any:
        with torch.inference_mode():
            return decoded(actor(torch.from_numpy(seen)).numpy())

    return choose


def train(
    recipe: Recipe, seed: int, past: Sequence[Trained], choosing: Sequence[Tapes], params: Params, path: Path
) -> dict[str, Any]:
    """Train on the accounts of `past`, keep the last weights, the mean ones of PPO or some between on what they earned
    on both parts of `choosing`, write ONNX.

    What is returned: the mean P&L there, and the curve of the judgements.
    """
    import torch  # noqa: PLC0415

    from pipelines.agent import algorithms, export, schedules, stage, training, warm_start  # noqa: PLC0415
    from pipelines.agent.curves import Curves, logger  # noqa: PLC0415
    from pipelines.agent.mean_weights import MeanWeights  # noqa: PLC0415

    torch.set_num_threads(1)
    changed = {"learner": recipe.learner, "imitation_epochs": recipe.imitation_epochs, "seed": seed}
    agent = params.agent.model_copy(update=changed | {"decisions": recipe.decisions})
    rewards_alone = FROM_REWARDS if recipe.learner == "ppo_entries" and not recipe.imitation_epochs else {}
    params = params.model_copy(update={"agent": agent})
    params = params.with_learner(timesteps=recipe.timesteps, **rewards_alone, **(recipe.changed or {}))
    pars, accounts = [one.par for one in past], [(one.tape, one.par) for one in past]
    tape = joined([one.tape for one in past])
    data = training.of_tape(tape, pars[0], params, LENGTH_S, training.earned_by_bar(accounts, params, LENGTH_S))
    # Where no sizing table allows an entry there is nothing to learn; elsewhere every tape meets every set.
    sets = costs([par for par in pars if par[compiled.KELLY] > 0.0]) if recipe.varied else np.array(pars)
    env = training.vector_env(data, params, params.learner.n_envs, seed, sets)
    learner = algorithms.untrained(env, params)
    if recipe.shuffled:
        _shuffle_rewards(env, seed)
    if recipe.imitation_epochs:
        shown = training.demonstrations(data, params)
        warm_start.imitate(learner, shown, epochs=recipe.imitation_epochs, seed=seed)
    cash, keep = params.backtest.cash_pusd * MICRO, data.keep
    choosing_now = _Choosing(learner, both_parts(choosing, params), cash, keep)
    mean = MeanWeights(recipe.timesteps)
    watchers: list[Any] = [_asked_each(choosing_now, recipe.timesteps)]
    if recipe.learner.startswith("ppo"):
        watchers += [schedules.Schedules(params.learner, warm=recipe.imitation_epochs > 0), mean]  # type: ignore[arg-type]
    learner.set_logger(logger(Curves(), None))
    # Where no sizing table allows an entry none is offered, and an account is searched to its end for each.
    steps = recipe.timesteps if any(par[compiled.KELLY] > 0.0 for par in pars) else 0
    if steps:
        learner.learn(steps, callback=watchers)
    choosing_now.judge(steps, once=steps > 0)
    if mean.give(learner.policy):
        choosing_now.judge(recipe.timesteps, once=True)
    learner.policy.load_state_dict(choosing_now.kept)
    export.export(algorithms.actor(learner), data.field.observation_size, path, stage.keep_of(params, LENGTH_S))
    choose = choose_with(algorithms.actor(learner))
    played = [play_policy(one.tape, one.par, choose, cash, keep).pnl_pusd for one in both_parts(choosing, params)]
    return {"choosing_pusd": round(float(np.mean(played)), 1), "curve": choosing_now.curve}


class _Choosing:
    """Plays a learner's policy on the choosing worlds while it learns, and keeps the weights that earned most there."""

    def __init__(self, learner: Any, worlds: Sequence[Trained], cash_micro: int, keep: FloatArray | None) -> None:
        self.kept: dict[str, Any] = {}
        self.curve: list[dict[str, Any]] = []
        self._learner, self._worlds, self._cash, self._keep = learner, worlds, cash_micro, keep
        self._best = np.zeros(len(worlds))

    def judge(self, steps: int, *, once: bool = False) -> None:
        """Play now; what is judged `once` needs no margin (`agent.judge.KeepBest`)."""
        from pipelines.agent import algorithms  # noqa: PLC0415
        from pipelines.agent.judge import gained  # noqa: PLC0415

        choose = choose_with(algorithms.actor(self._learner))
        played = [play_policy(one.tape, one.par, choose, self._cash, self._keep) for one in self._worlds]
        pnl = np.array([one.pnl_pusd for one in played])
        if not self.curve or gained(pnl, self._best) or (once and pnl.mean() > self._best.mean()):
            self._best = pnl
            self.kept = {name: value.clone() for name, value in self._learner.policy.state_dict().items()}
        row = {"steps": steps, "pnl_pusd": round(float(pnl.mean()), 1), "entries": sum(one.entries for one in played)}
        self.curve.append(row)


def _asked_each(choosing: _Choosing, timesteps: int) -> Any:
    """The callback of SB3 that lets the choosing worlds judge JUDGEMENTS times."""
    from stable_baselines3.common.callbacks import BaseCallback  # noqa: PLC0415

    class Judge(BaseCallback):
        def _on_step(self) -> bool:
            return True

        def _on_rollout_start(self) -> None:
            if self.num_timesteps >= len(choosing.curve) * timesteps / JUDGEMENTS:
                choosing.judge(self.num_timesteps)

    return Judge()


def _shuffle_rewards(env: Any, seed: int) -> None:
    rng, step_wait = np.random.default_rng(seed), env.step_wait

    def shuffled() -> Any:
        seen, rewards, dones, infos = step_wait()
        return seen, rng.permutation(rewards), dones, infos

    env.step_wait = shuffled


def play_agent(path: Path, one: Trained, cash_micro: int) -> Played:
    """An exported agent on a tape."""
    agent = Learned(path)
    keep = None if agent.keep is None else keep_numbers(agent.keep)
    return play_policy(one.tape, one.par, lambda seen, _: decoded(np.asarray(agent.actions(seen))), cash_micro, keep)


def keep_numbers(keep: Sequence[float]) -> FloatArray:
    """The keep rule of an exported agent as numbers of the tuned rule."""
    from pipelines.replay.account import rule_numbers  # noqa: PLC0415
    from pipelines.trading.threshold_rule import Rule  # noqa: PLC0415

    return rule_numbers(Rule(0.0, keep[0], int(keep[1])))


def searched(past: Sequence[Tapes], choosing: Sequence[Tapes], start: FloatArray, params: Params) -> dict[str, Any]:
    """The numbers of the tuned rule from searches over the tapes of `past`: those that earn most on `choosing`, among
    what each seed found, the mean of these, and cash."""
    cash = params.backtest.cash_pusd * MICRO
    data, judged = both_parts(past, params), both_parts(choosing, params)
    every = [search(data, start, cash, seed) for seed in SEARCH_SEEDS]
    candidates = {f"seed {seed}": one.numbers for seed, one in zip(SEARCH_SEEDS, every, strict=True)}
    candidates |= {"mean": np.mean([one.numbers for one in every], axis=0), "cash": never(start)}
    earned = {name: mean_pnl(judged, numbers, cash) for name, numbers in candidates.items()}
    best = max(earned, key=lambda name: earned[name])
    return {
        "numbers": candidates[best].tolist(),
        "chosen": best,
        "trials": sum(one.trials for one in every),
        "past_pusd": round(mean_pnl(data, candidates[best], cash), 1),
        "choosing_pusd": round(earned[best], 1),
        "candidates_pusd": {name: round(one, 1) for name, one in earned.items()},
    }


def full(par: FloatArray) -> FloatArray:
    """The same limits with positions as large as `risk.max_position_fraction` allows: the exposure limit binds."""
    large: FloatArray = par.copy()
    large[compiled.MAX_FRACTION] = large[compiled.RISK_FRACTION]
    return large


def allocated(
    past: Sequence[Tapes], choosing: Sequence[Tapes], rule: FloatArray, params: Params, seed: int, *, fills: bool
) -> dict[str, Any]:
    """The numbers of an allocator above the threshold rule from a search over the tapes of `past`."""
    cash = params.backtest.cash_pusd * MICRO

    def limited(one: Trained) -> Trained:
        return replace(one, par=full(one.par)) if fills else one

    data = [limited(one) for one in both_parts(past, params)]
    found = search_allocator(data, rule, cash, seed, ALLOCATOR_GENERATIONS)
    judged = [limited(one) for one in both_parts(choosing, params)]
    earned = [play_shared(one.tape, one.par, rule, found.numbers, cash).pnl_pusd for one in judged]
    return {
        "numbers": found.numbers.tolist(),
        "trials": found.trials,
        "past_pusd": round(found.mean_pnl_pusd, 1),
        "choosing_pusd": round(float(np.mean(earned)), 1),
    }
