"""Command tune: an Optuna study of PPO's hyper-parameters on the agent slice -> reports/tune.json.

Every trial trains on the earlier events of the slice, is scored on its held-out events (mean over seeds) and leaves a
row in var/trials.jsonl, also one that fails, is interrupted or is pruned: after its first seed a trial ends that lies
below the median of the first seeds so far. Studies are kept in var/tune.sqlite, one for everything
that decides a score, so that an interrupted one goes on and a study of other data or another space begins anew.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from flows import studies
from pipelines.agent.stage import data_hashes, deciding
from pipelines.core import log
from pipelines.core.artifacts import write_json
from pipelines.core.errors import ParameterError, Stopped
from pipelines.core.interruption import on_sigterm
from pipelines.core.params import Params, load
from pipelines.core.products import FEATURES, report_json
from pipelines.replay import market_history, trials
from pipelines.replay.signals import sizing_table
from pipelines.trading.observation import MarketScaler

if TYPE_CHECKING:
    from optuna import Study
    from optuna.distributions import BaseDistribution

REPORT = report_json("tune")
STUDY = Path("var/tune.sqlite")
SEEDS = 2
LOG = log.get("tune")

Space = Mapping[str, "BaseDistribution"]
Report = Callable[[int, float], None]
"""Told the number of seeds that are done and their mean so far; it may end the trial."""
Score = Callable[[Mapping[str, Any], Report], float]
BEFORE_PRUNING = 4
"""Whole trials before one is pruned."""


def run(count: int, timesteps: int | None = None) -> None:
    """Run `count` more trials (the first one is params.yaml as it is) and write the best.

    Raises:
        ParameterError: if the learner of params.yaml is not PPO, or the count is not positive.
        DataError: if an earlier stage has not been run.
        Stopped: if a SIGTERM came; the trial that ran then was finished and is kept.
    """
    params = load()
    if params.agent.algorithm != "ppo":
        raise ParameterError(f"agent.learner is {params.agent.learner!r}; the study knows ppo and ppo_tuned")
    if count < 1:
        raise ParameterError(f"{count} trials were asked for; at least 1 is needed")
    if timesteps is not None:
        params = params.with_learner(timesteps=timesteps)
    around = space(params)
    now = {name: getattr(params.learner, name) for name in around}
    score = objective(params)
    study = opened(study_name(params, around))
    if _finished(study, now) is None:
        study.enqueue_trial(now)
    _play(study, around, score, count)
    first, best = _finished(study, now), study.best_trial
    pruned = len(study.trials) - len(_whole(study))
    document = {"study": study.study_name, "trials": len(study.trials), "not_whole": pruned, "seeds": SEEDS}
    document |= {"as_it_is": _row(first), "best": _row(best)}
    write_json(REPORT, document | {"gain_pusd": best.value - first.value if first else None})
    told = {f"trial {one.number}": {**one.params, **(_row(one) or {})} for one in _whole(study)}
    studies.remember("tune", {"study": study.study_name, "seeds": SEEDS}, told)
    LOG.info("best", held_out_pnl_pusd=best.value, as_it_is=first.value if first else None, **best.params)


def opened(name: str) -> "Study":
    """The study of that name, or a new one."""
    import optuna  # noqa: PLC0415 - heavy, and only for this command

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    STUDY.parent.mkdir(parents=True, exist_ok=True)
    pruner = optuna.pruners.MedianPruner(n_startup_trials=BEFORE_PRUNING)
    storage = f"sqlite:///{STUDY}"
    return optuna.create_study(
        direction="maximize", study_name=name, storage=storage, load_if_exists=True, pruner=pruner
    )


def study_name(params: Params, around: Space) -> str:
    """A name from the hash of everything that decides a score: data, limits, what is not searched, and the space."""
    fixed = deciding(params)
    fixed["agent"].pop("seed")
    for name in around:
        fixed[params.agent.learner].pop(name)
    searched = {name: repr(values) for name, values in around.items()}
    decided = [*data_hashes(), fixed, searched, SEEDS]
    return f"ppo-{hashlib.sha256(json.dumps(decided, sort_keys=True).encode()).hexdigest()[:16]}"


def space(params: Params) -> dict[str, "BaseDistribution"]:
    """What is searched: around the guide's values, wide where PPO is sensitive, and never without what is set now."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution  # noqa: PLC0415

    now = params.learner.model_dump()

    def between(name: str, low: float, high: float, *, log: bool = False) -> FloatDistribution:
        return FloatDistribution(min(low, now[name]), max(high, now[name]), log=log)

    searched: dict[str, BaseDistribution] = {
        "learning_rate": between("learning_rate", 3e-5, 3e-3, log=True),
        "gamma": between("gamma", 0.3, 0.999),
        "gae_lambda": between("gae_lambda", 0.3, 1.0),
        "clip_range": between("clip_range", 0.05, 0.4),
        "ent_coef": between("ent_coef", 0.0, 0.02),
        "n_epochs": IntDistribution(min(2, now["n_epochs"]), max(12, now["n_epochs"])),
        "batch_size": CategoricalDistribution(sorted({256, 512, 1024, 2048, 4096, now["batch_size"]})),
    }
    if now["ent_until"] is not None:
        searched["ent_until"] = between("ent_until", 0.3, 1.0)
    return searched


def objective(params: Params) -> Score:
    """Mean best P&L on the held-out events over seeds, in pUSD, as a function of some of the learner's parameters."""
    from pipelines.agent.training import train  # noqa: PLC0415 - torch only while agents are trained

    length_s = market_history.bar_length_s()
    scaler = MarketScaler.read(FEATURES / "scaler.json")
    table = sizing_table(market_history.read("selection", params.execution), params)
    histories = market_history.read("agent", params.execution)

    def score(settings: Mapping[str, Any], report: Report) -> float:
        values: list[float] = []
        for seed in range(1, SEEDS + 1):
            agent = params.agent.model_copy(update={"seed": seed})
            chosen = params.model_copy(update={"agent": agent}).with_learner(**settings)
            _, measured = train(histories, chosen, table, scaler, length_s)
            values.append(measured["held_out_best_pusd"])
            if seed < SEEDS:
                report(seed, float(np.mean(values)))
        return float(np.mean(values))

    return score


def _play(study: "Study", around: Space, score: Score, count: int) -> None:
    with on_sigterm() as asked:
        for done in range(1, count + 1):
            attempt(study, around, score)
            if asked.seen and done < count:
                raise Stopped(f"told to stop after {done} of {count} trials; they are kept, the same command goes on")


def attempt(study: "Study", around: Space, score: Score) -> None:
    """One trial, and its row in var/trials.jsonl; where it ends early the row names the error, which goes on."""
    from optuna import TrialPruned  # noqa: PLC0415 - see opened
    from optuna.trial import TrialState  # noqa: PLC0415

    trial = study.ask(dict(around))
    settings = {"study": study.study_name, "number": trial.number, **trial.params}

    def report(seeds: int, mean: float) -> None:
        trial.report(mean, seeds)
        if trial.should_prune():
            raise TrialPruned

    try:
        value = score(trial.params, report)
    except TrialPruned:
        study.tell(trial, state=TrialState.PRUNED)
        trials.append("tune", settings, {"held_out_pnl_pusd": None, "pruned": True})
        LOG.info("trial pruned", number=trial.number)
        return
    except BaseException as error:
        study.tell(trial, state=TrialState.FAIL)
        trials.append("tune", settings, {"held_out_pnl_pusd": None, "error": type(error).__name__})
        raise
    study.tell(trial, value)
    trials.append("tune", settings, {"held_out_pnl_pusd": value})
    LOG.info("trial", number=trial.number, held_out_pnl_pusd=round(value, 2))


def _finished(study: "Study", settings: Mapping[str, Any]) -> Any:
    """The trial that measured these settings; None where none did to the end."""
    return next((one for one in _whole(study) if one.params == settings), None)


def _whole(study: "Study") -> list[Any]:
    """The trials that ran with every seed."""
    from optuna.trial import TrialState  # noqa: PLC0415 - see opened

    return study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))


def _row(trial: Any) -> dict[str, Any] | None:
    return {"held_out_pnl_pusd": trial.value, "params": trial.params} if trial else None
