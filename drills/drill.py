"""What `oddsmith drill` does: choose schedules, play them, say what broke."""

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from drills import campaign, plans, playing
from drills.campaign import Deaths
from drills.plan import Plan
from pipelines.core import log
from pipelines.core.errors import ParameterError


def run(arguments: argparse.Namespace) -> int:
    """Play what was asked for; 0 when every invariant held.

    Raises:
        ParameterError: for a fault that does not exist, or a schedule that cannot be read.
    """
    if arguments.replay is not None:
        return _replay(arguments.replay)
    campaign.quiet()
    summary = campaign.run(wanted(arguments), arguments.workers, arguments.state)
    shown = [campaign.shrunk(row) for row in summary.failed] if arguments.shrink else []
    if arguments.json:
        _print(json.dumps(summary.document()))
    else:
        _tell(summary)
    for row in summary.failed:
        _say(json.dumps({"violations": row["violations"], "plan": row["plan"]}))
    for plan in shown:
        _say(json.dumps({"shrunk": plan.document()}))
    return 1 if summary.failed else 0


def wanted(arguments: argparse.Namespace) -> list[Plan | Deaths]:
    """The plans that the arguments name."""
    unknown = [name for name in arguments.faults if name not in plans.all_faults()]
    if unknown:
        raise ParameterError(f"fault was {unknown[0]!r}; choose one of {', '.join(plans.all_faults())}")
    seeds = range(arguments.first_seed, arguments.first_seed + arguments.seeds)
    found = [plan for kind in arguments.kinds for plan in _of_kind(kind, seeds, arguments)]
    return [_traded_by(one, arguments.policy) for one in found]


def _traded_by(one: Plan | Deaths, policy: str) -> Plan | Deaths:
    if isinstance(one, Deaths):
        return replace(one, plan=replace(one.plan, policy=policy))
    return replace(one, policy=policy)


def _of_kind(kind: str, seeds: range, arguments: argparse.Namespace) -> Iterator[Plan | Deaths]:
    faults = arguments.faults
    for seed in seeds:
        if kind == "singles":
            yield from (plans.single(name, seed) for name in faults or plans.all_faults())
        elif kind == "pairs":
            chosen = set(faults)
            yield from (plans.pair(two, seed) for two in plans.all_pairs() if not chosen or chosen & set(two))
        elif kind == "crowd":
            yield plans.crowd(seed)
        elif kind == "silence":
            yield plans.silence(seed)
        elif kind == "cover":
            yield from plans.cover(seed, faults)
        else:
            yield from (Deaths(plan, arguments.every) for plan in (Plan(seed), plans.crowd(seed)))


def _replay(path: Path) -> int:
    try:
        plan = Plan.of(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ParameterError(
            f"{path} is no schedule ({error!r}); give what `oddsmith drill --shrink` printed"
        ) from None
    log.configure(json=not sys.stderr.isatty())
    report = playing.run(plan)
    document: dict[str, Any] = {"violations": [asdict(one) for one in report.violations], "bars": report.bars}
    _print(json.dumps(document | {"trace": report.trace, "died_at": report.died_at}))
    return 1 if report.violations else 0


def _tell(summary: campaign.Summary) -> None:
    found = summary.document()
    _print(
        f"{found['schedules']} schedules ({found['faults']} faults, {found['pairs']} pairs), {summary.bars} bars, "
        f"{summary.orders} orders, {summary.trades} trades in {summary.wall_s:.0f} s: "
        f"{found['market_minutes_per_s']:.0f} market minutes per second"
    )
    _print(
        f"processor time: {summary.cpu_s:.0f} s, {summary.bars / max(summary.cpu_s, 1e-9):.0f} bars per second of it"
    )
    _print(f"slowest recovery: {summary.slowest_recovery} bars after the last fault")
    _print(f"schedules that broke an invariant: {found['violations']} {campaign.kinds(summary.failed) or ''}".rstrip())


def _print(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - the answer


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)  # noqa: T201 - apart from the answer
