"""Command tune: an Optuna study of PPO's hyper-parameters on the agent slice -> reports/tune.json.

Every trial trains on the earlier events of the slice, is scored on its held-out events (mean over seeds) and leaves a
row in var/trials.jsonl. The study is kept in var/tune.sqlite, so that an interrupted one goes on.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from pipelines.core import log
from pipelines.core.artifacts import write_json
from pipelines.core.errors import ParameterError
from pipelines.core.params import Params, load
from pipelines.engine import history, trials
from pipelines.engine.signals import sizing_table
from pipelines.trading.observation import MarketScaler

REPORT = Path("reports/tune.json")
STUDY = Path("var/tune.sqlite")
SEEDS = 2
LOG = log.get("tune")


def run(count: int, timesteps: int | None = None) -> None:
    """Run `count` more trials (the first one is params.yaml as it is) and write the best beside it.

    Raises:
        ParameterError: if the algorithm of params.yaml is not PPO, or the count is not positive.
    """
    params = load()
    if params.agent.algorithm != "ppo":
        raise ParameterError(f"agent.algorithm is {params.agent.algorithm!r}; the study knows the parameters of ppo")
    if count < 1:
        raise ParameterError(f"{count} trials were asked for; at least 1 is needed")
    import optuna  # noqa: PLC0415 - heavy, and only for this command

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    STUDY.parent.mkdir(parents=True, exist_ok=True)
    storage = f"sqlite:///{STUDY}"
    study = optuna.create_study(direction="maximize", study_name="ppo", storage=storage, load_if_exists=True)
    if not study.trials:
        study.enqueue_trial(_settings(params))
    study.optimize(objective(params, timesteps), n_trials=count)
    first, best = study.trials[0], study.best_trial
    document = {"as_it_is": _row(first), "best": _row(best), "trials": len(study.trials), "seeds": SEEDS}
    write_json(REPORT, document | {"gain_pusd": (best.value or 0.0) - (first.value or 0.0)})
    LOG.info("best", held_out_pnl_pusd=best.value, as_it_is=first.value, **best.params)


def _row(trial: Any) -> dict[str, Any]:
    return {"held_out_pnl_pusd": trial.value, "params": trial.params}


def _settings(params: Params) -> dict[str, Any]:
    names = ("learning_rate", "gamma", "gae_lambda", "clip_range", "ent_coef", "n_epochs", "batch_size")
    return {name: getattr(params.agent, name) for name in names}


def suggested(trial: Any) -> dict[str, Any]:
    """The space: around the guide's values, wide where PPO is sensitive."""
    return {
        "learning_rate": trial.suggest_float("learning_rate", 3e-5, 1e-3, log=True),
        "gamma": trial.suggest_float("gamma", 0.9, 0.999),
        "gae_lambda": trial.suggest_float("gae_lambda", 0.8, 1.0),
        "clip_range": trial.suggest_float("clip_range", 0.05, 0.4),
        "ent_coef": trial.suggest_float("ent_coef", 0.0, 0.02),
        "n_epochs": trial.suggest_int("n_epochs", 2, 12),
        "batch_size": trial.suggest_categorical("batch_size", [256, 512, 1024, 2048, 4096]),
    }


def objective(params: Params, timesteps: int | None) -> Callable[[Any], float]:
    """Mean best P&L on the held-out events over seeds, as a function of an Optuna trial."""
    from pipelines.agent.training import train  # noqa: PLC0415 - torch only while agents are trained

    length_s = history.bar_length_s()
    scaler = MarketScaler.read(history.FEATURES / "scaler.json")
    table = sizing_table(history.read("selection", params.execution), params)
    histories = history.read("agent", params.execution)

    def score(trial: Any) -> float:
        update = suggested(trial) | ({"timesteps": timesteps} if timesteps is not None else {})
        values = []
        for seed in range(1, SEEDS + 1):
            agent = params.agent.model_copy(update=update | {"seed": seed})
            _, measured = train(histories, params.model_copy(update={"agent": agent}), table, scaler, length_s)
            values.append(measured["held_out_best_pusd"])
        mean = float(np.mean(values))
        trials.append("tune", {"number": trial.number, **update}, {"held_out_pnl_pusd": mean})
        LOG.info("trial", number=trial.number, held_out_pnl_pusd=round(mean, 2))
        return mean

    return score
