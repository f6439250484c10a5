"""A search for the numbers of a policy: Optuna on the earlier events, judged on the later ones.

Every trial is a row of the ledger, also one that fails, and the Sharpe ratio of the best is deflated by all of them.
What is proposed is compared with the numbers as they are on events that no trial has seen. A study is kept under the
hash of everything that decides a score, so that the same command goes on with it.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic.fields import FieldInfo

from pipelines.backtest.stage import cautious_pnl
from pipelines.backtest.strategies import Comparison, Run, done, job
from pipelines.core import log
from pipelines.core.errors import ParameterError, Stopped
from pipelines.core.interruption import on_sigterm
from pipelines.core.params import Params, nearest
from pipelines.replay import event_split, luck
from pipelines.study import own
from pipelines.study.course import Course
from pipelines.trading import policies
from pipelines.trading.policies import strategy_files

if TYPE_CHECKING:
    from optuna import Study
    from optuna.distributions import BaseDistribution

WIDE = 4.0
"""A number without bounds of its own is searched from its value divided by this to its value times this."""
LOG = log.get("search")

Space = dict[str, "BaseDistribution"]


def search(
    kind: str, params: Params, course: Course, *, trials: int, ranges: Sequence[str] = (), studies: Path
) -> dict[str, Any]:
    """Try `trials` more sets of numbers of a policy; what is best, and what it is worth on events of its own.

    Args:
        ranges: `name=low:high` for what is searched; without any, every number of the policy.
        studies: SQLite file of the studies.

    Raises:
        ParameterError: if a range cannot be read, or the policy has nothing to search.
        Stopped: after a SIGTERM; what was tried is kept.
    """
    own.refuse_without_forecast(kind, params, course)
    own.look_ahead(kind, params, course)
    now = policies.parameters(policies.find(kind, params), params, course.length_s)
    around = space(kind, params, now, ranges)
    early, later = (_part(course, params, part) for part in event_split.split(course.histories))
    study = _opened(studies, _name(kind, params, course, around))
    if not study.trials:
        study.enqueue_trial({name: now[name] for name in around})
    runs = _play(study, around, early, (kind, now, params, course), trials)
    best = {**now, **study.best_trial.params}
    return {
        "policy": kind,
        "data": course.about,
        "forecasts": course.forecasts,
        "study": study.study_name,
        "trials": len(study.trials),
        "searched": {name: repr(one) for name, one in around.items()},
        "as_it_is": {name: now[name] for name in around},
        "best": study.best_trial.params,
        "set": [f"policy.{kind}.{name}={value}" for name, value in study.best_trial.params.items()],
        "searched_on": _searched_on(study, runs, early),
        "later_events": _later(kind, later, now, best),
    }


def space(kind: str, params: Params, now: Mapping[str, Any], ranges: Sequence[str]) -> Space:
    """What is searched: the given ranges, or every number of the policy that no other section gives."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution  # noqa: PLC0415

    fields = policies.find(kind, params).Parameters.model_fields
    own_names = [name for name, field in fields.items() if not (field.json_schema_extra or {})]
    wanted = _ranges(ranges, own_names) if ranges else dict.fromkeys(own_names)
    found: Space = {}
    for name, bounds in wanted.items():
        value = now[name]
        if isinstance(value, bool):
            found[name] = CategoricalDistribution([False, True])
        elif isinstance(value, int | float):
            low, high = bounds or _bounds(fields[name], float(value))
            whole = isinstance(value, int)
            if low < high:
                found[name] = IntDistribution(int(low), int(high)) if whole else FloatDistribution(low, high)
    if not found:
        raise ParameterError(f"{kind} has no number to search; declare one in its Parameters (docs/extending.md)")
    return found


def _ranges(ranges: Sequence[str], known: Sequence[str]) -> dict[str, tuple[float, float]]:
    found = {}
    for text in ranges:
        name, _, span = text.partition("=")
        low, _, high = span.partition(":")
        if name not in known:
            raise ParameterError(f"--space was {text!r}; the policy has no number {name!r}{nearest(name, known)}")
        try:
            found[name] = (float(low), float(high))
        except ValueError:
            raise ParameterError(f"--space was {text!r}; write name=low:high, such as {name}=50:1000") from None
        if not found[name][0] < found[name][1]:
            raise ParameterError(f"--space was {text!r}; the low end has to be below the high one")
    return found


def _bounds(field: FieldInfo, value: float) -> tuple[float, float]:
    """The declared bounds where both are, else a range around the value that keeps to the one that is."""
    low, high = None, None
    for bound in field.metadata:
        low = next((float(v) for name in ("ge", "gt") if (v := getattr(bound, name, None)) is not None), low)
        high = next((float(v) for name in ("le", "lt") if (v := getattr(bound, name, None)) is not None), high)
    if low is not None and high is not None:
        return low, high
    around = sorted((value / WIDE, value * WIDE)) if value else [-1.0, 1.0]
    return max(around[0], low if low is not None else around[0]), min(
        around[1], high if high is not None else around[1]
    )


def _part(course: Course, params: Params, histories: Sequence[Any]) -> Comparison:
    return Comparison(list(histories), params, course.table, course.scaler, course.length_s)


def _opened(path: Path, name: str) -> "Study":
    import optuna  # noqa: PLC0415 - heavy, and only for this command

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    path.parent.mkdir(parents=True, exist_ok=True)
    sampler = optuna.samplers.TPESampler(seed=1)
    return optuna.create_study(
        direction="maximize", study_name=name, storage=f"sqlite:///{path}", load_if_exists=True, sampler=sampler
    )


def _name(kind: str, params: Params, course: Course, around: Space) -> str:
    source = strategy_files.content_of(policies.find(kind, params)) or b""
    histories = [(one.market.market_id, int(one.ts_s[0]), len(one)) for one in course.histories]
    decided = [course.sha256, course.forecasts, histories, {name: repr(one) for name, one in around.items()}]
    text = json.dumps([decided, params.model_dump(mode="json")], sort_keys=True, default=str)
    return f"{kind}-{hashlib.sha256(text.encode() + source).hexdigest()[:16]}"


def _play(
    study: "Study", around: Space, early: Comparison, about: tuple[str, dict[str, Any], Params, Course], count: int
) -> dict[int, Run]:
    kind, now, params, course = about
    runs: dict[int, Run] = {}
    with on_sigterm() as asked:
        for number in range(1, count + 1):
            trial = study.ask(dict(around))
            run = _tried(study, trial, early, kind, {**now, **trial.params})
            by_event = own.event_pnl(run, early)
            trial.set_user_attr(luck.STATISTIC, luck.statistic(by_event))
            own.count(run, params, course, by_event, study=study.study_name, number=trial.number)
            value = cautious_pnl(run, early.tape.markets)
            study.tell(trial, value if np.isfinite(value) else run.figures.pnl_pusd)
            runs[trial.number] = run
            LOG.info("trial", number=trial.number, pnl_pusd=round(run.figures.pnl_pusd, 2), **trial.params)
            if asked.seen and number < count:
                raise Stopped(f"told to stop after {number} of {count} trials; they are kept, the same command goes on")
    return runs


def _tried(study: "Study", trial: Any, early: Comparison, kind: str, values: dict[str, Any]) -> Run:
    """One replay; a trial that cannot be played is told to the study before the error goes on."""
    from optuna.trial import TrialState  # noqa: PLC0415 - see _opened

    try:
        return done(early, job(early, kind, values))
    except BaseException:
        study.tell(trial, state=TrialState.FAIL)
        raise


def _searched_on(study: "Study", runs: Mapping[int, Run], early: Comparison) -> dict[str, Any]:
    """What the best trial earned where it was found, and what luck is expected to find in so many trials."""
    best = study.best_trial
    run = runs.get(best.number) or done(early, job(early, *_again(study, early)))
    known = [one.user_attrs.get(luck.STATISTIC) for one in study.trials]
    tried = luck.Trials([float(one) for one in known if one is not None], len(study.trials))
    deflated = luck.deflated_sharpe(own.event_pnl(run, early), tried)
    return {
        "events": len({one.market.event_id for one in early.histories}),
        "pnl_pusd": run.figures.pnl_pusd,
        "pnl_less_one_error_pusd": best.value,
        "deflated_sharpe": None if deflated is None else asdict(deflated),
    }


def _again(study: "Study", early: Comparison) -> tuple[str, dict[str, Any]]:
    """Kind and parameters of the best trial, of a run that an earlier command played."""
    kind = study.study_name.rpartition("-")[0]
    now = policies.parameters(policies.find(kind, early.params), early.params, early.length_s)
    return kind, {**now, **study.best_trial.params}


def _later(kind: str, later: Comparison, now: dict[str, Any], best: dict[str, Any]) -> dict[str, Any]:
    """The proposed numbers and those as they are, on the events that no trial has seen."""
    runs = [done(later, job(later, kind, values)) for values in (now, best)]
    before, after = (own.event_pnl(run, later) for run in runs)
    return {
        "events": len(before),
        "as_it_is_pusd": runs[0].figures.pnl_pusd,
        "best_pusd": runs[1].figures.pnl_pusd,
        "gain": own.total(after - before),
    }
