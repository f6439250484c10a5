"""Deciding the journal's bars again, with the limits that it names."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Final

from pipelines.core.orders import intent_json
from pipelines.decide import Decision, Rules, decide, in_turn, reserve
from pipelines.history.journal_reader import LiveBar
from pipelines.history.modelled import JournaledMarkets

KEPT_DIFFERENCES = 20
COUNTED: Final = ("bars", "between_bars", "decisions", "identical", "different")


def decisions(bars: Iterable[LiveBar], rules: Mapping[str, Rules]) -> tuple[dict[str, Any], JournaledMarkets]:
    """Counts of decisions that are identical or different, with the first differences, and of those that could not be
    replayed, by reason in `unreplayable`; `not_replayed` adds up those of bars whose orders might be sent. `bars` come
    in the order of time, with the turns between two closes (counted in `between_bars`).

    `rules` are those of the bundles of this machine, by hash. The limits around them are the journal's; `limits` counts
    the bars that have some and those, of older programs, that do not.
    """
    counts: Counter[str] = Counter()
    unreplayable: Counter[str] = Counter()
    different: list[dict[str, Any]] = []
    limits = Counter({"journaled": 0, "params.yaml": 0})
    book = JournaledMarkets()
    for bar in bars:
        if not counts["bars"] + counts["between_bars"]:
            held = bar.account.positions.values()
            book.held = {(one.market_id, one.outcome.value): one.shares_micro for one in held}
        counts["between_bars" if bar.after_ms else "bars"] += 1
        unreplayable["market not described in the journal"] += bar.unknown
        book.take(bar.at, bar.inputs, bar.limits)
        known = rules.get(bar.bundle)
        limits["journaled" if bar.limits else "params.yaml"] += 1
        if known is None:
            unreplayable[f"bundle {bar.bundle[:12] or 'none'} is not on this machine"] += len(bar.inputs)
            counts["only shown"] += 0 if _armed(bar) else len(bar.inputs)
            continue
        for live, again in _pairs(bar, bar.limits.around(known) if bar.limits else known, unreplayable):
            counts["decisions"] += 1
            gap = difference(live, again)
            counts["identical" if not gap else "different"] += 1
            if gap and len(different) < KEPT_DIFFERENCES:
                after = {"after_ms": bar.after_ms} if bar.after_ms else {}
                different.append({"ts_s": bar.ts_s, **after, "market_id": again.market_id, **gap})
    document: dict[str, Any] = {name: counts[name] for name in COUNTED}
    document |= {"differences": different, "unreplayable": {k: v for k, v in unreplayable.items() if v}}
    document |= {"not_replayed": unreplayable.total() - counts["only shown"]}
    return document | {"limits": dict(limits)}, book


def _armed(bar: LiveBar) -> bool:
    """Whether orders of the bar might be sent; a candidate without a verdict is shown until a night replaces it."""
    return all(live["armed"] for live in bar.decisions.values())


def _pairs(bar: LiveBar, rules: Rules, unreplayable: Counter[str]) -> Iterable[tuple[Mapping[str, Any], Decision]]:
    """Live and replayed decisions in the order of the bar; an order takes its cash and room from the next market."""
    open_buys = dict(bar.account.open_buy_micro)
    account = replace(bar.account, open_buy_micro=open_buys)
    by_id = sorted(bar.inputs, key=lambda one: one.market.market_id)
    for inputs in in_turn(by_id, rules):
        live = bar.decisions.get(inputs.market.market_id)
        if live is None:
            unreplayable["no decision was journaled"] += 1
            continue
        if live["action"] == "wait":
            continue
        again = decide(inputs, account, rules)
        for intent in again.intents:
            reserve(intent, inputs.market, open_buys)
        yield live, again


def difference(live: Mapping[str, Any], again: Decision) -> dict[str, Any]:
    """Fields in which a journaled decision and its replay differ, as [live, replay]; empty when they are identical."""
    replayed = {
        "action": again.wish,
        "direction": int(again.direction),
        "fraction": again.fraction,
        "confidence": again.confidence,
        "refusal": again.refusal.reason.value if again.refusal else None,
        "detail": again.refusal.detail if again.refusal else "",
        "intent": intent_json(again.intent),
        "other": intent_json(again.other),
    }
    return {name: [live.get(name), value] for name, value in replayed.items() if live.get(name) != value}
