"""The smallest schedule that still fails: faults are left out, then options, then time (Zeller's delta debugging)."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from drills.plan import Plan
from simulator.faults.schedule import TimedFault

T = TypeVar("T")

Fails = Callable[[Plan], bool]
"""Says whether a plan still breaks the rule in question."""


def minimal(items: Sequence[T], fails: Callable[[Sequence[T]], bool]) -> list[T]:
    """A part of the items that fails, and of which no single item can be left out.

    >>> minimal([1, 2, 3, 4, 5, 6, 7, 8], lambda part: {3, 6} <= set(part))
    [3, 6]
    """
    left, parts = list(items), 2
    while len(left) >= 2:
        size = max(1, len(left) // parts)
        chunks = [left[at : at + size] for at in range(0, len(left), size)]
        for number in range(len(chunks)):
            rest = [item for other, chunk in enumerate(chunks) if other != number for item in chunk]
            if rest and fails(rest):
                left, parts = rest, max(2, parts - 1)
                break
        else:
            if size == 1:
                break
            parts = min(len(left), parts * 2)
    return left


def shrink(plan: Plan, fails: Fails) -> Plan:
    """The smallest plan that still fails; the plan itself where it does not."""
    if not fails(plan):
        return plan
    if plan.events and fails(replace(plan, events=())):
        plan = replace(plan, events=())
    elif len(plan.events) > 1:
        events = minimal(plan.events, lambda part: fails(replace(plan, events=tuple(part))))
        plan = replace(plan, events=tuple(events))
    if plan.dies_at is not None and fails(replace(plan, dies_at=None)):
        plan = replace(plan, dies_at=None)
    plan = _without_options(plan, fails)
    plan = _rounder(plan, fails)
    return _shorter(plan, fails)


def _with_event(plan: Plan, place: int, event: TimedFault) -> Plan:
    return replace(plan, events=(*plan.events[:place], event, *plan.events[place + 1 :]))


def _without_options(plan: Plan, fails: Fails) -> Plan:
    for place in range(len(plan.events)):
        for key in [name for name in plan.events[place][1] if name not in ("fault", "for_min")]:
            at, event = plan.events[place]
            smaller: dict[str, Any] = {name: value for name, value in event.items() if name != key}
            tried = _with_event(plan, place, (at, smaller))
            plan = tried if fails(tried) else plan
    return plan


def _rounder(plan: Plan, fails: Fails) -> Plan:
    """Round times to whole minutes where the plan still fails, because people read it."""
    for place, (at, event) in enumerate(plan.events):
        tried = _with_event(plan, place, (float(round(at)), event))
        plan = tried if at != round(at) and fails(tried) else plan
    return plan


def _shorter(plan: Plan, fails: Fails) -> Plan:
    while plan.bars > 1 and fails(tried := replace(plan, bars=plan.bars // 2)):
        plan = tried
    return plan
