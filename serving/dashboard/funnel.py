"""From listed markets to fills: how many markets each step let through on a bar and a day, and where the others went.

It counts entries. A market is in every step up to the one that lost it, under one reason.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from pipelines.core.domain import Side
from pipelines.decide import Decision
from serving import metrics
from serving.loaded_model import Turn

STEPS: Final = ("listed", "followed", "decided", "signal", "within_limits", "sent", "filled")

MEANINGS: Final = {
    "listed": "the venue lists it and it takes orders",
    "followed": "its book and trades are read",
    "decided": "its window is warm and no order works there, so the policy was asked",
    "signal": "the policy wants an entry",
    "within_limits": "no limit of ours refused it",
    "sent": "an order went to the venue",
    "filled": "the order was filled, in part at least",
}

Counts = Counter[tuple[str, str]]
"""(step, reason) -> markets; reason "" counts those that the step let through."""


@dataclass(slots=True)
class BarFunnel:
    """Counts of one bar, filled in step by step."""

    counts: Counts = field(default_factory=Counter)

    def listing(self, listed: int, followed: int, left_out: Mapping[str, int]) -> None:
        """What the last look at the listing found, and why markets are not followed."""
        self._pass("listed", max(listed, followed))
        self._pass("followed", followed)
        for reason, number in left_out.items():
            self._lose("followed", reason, number)
        self._lose("followed", "not listed as open yet", listed - followed - sum(left_out.values()))

    def decisions(self, turn: Turn | None, followed: int) -> None:
        """What the policy and the limits made of the followed markets."""
        pairs = [] if turn is None else list(zip(turn.inputs, turn.decisions, strict=True))
        waiting = sum(made.action == "wait" for _, made in pairs)
        decided = [made for one, made in pairs if one.warm and made.action != "wait"]
        self._pass("decided", len(decided))
        self._lose("decided", "an order works there", waiting)
        self._lose(
            "decided", "no model decides" if turn is None else "window not warm", followed - waiting - len(decided)
        )
        for made in decided:
            self._decision(made)

    def _decision(self, made: Decision) -> None:
        entry = made.wish.startswith("enter")
        if not entry:
            self._lose("signal", "exit" if made.action == "exit" else "held or no signal")
            return
        self._pass("signal")
        if made.refusal is not None:
            self._lose("within_limits", made.refusal.reason.value)
        else:
            self._pass("within_limits")

    def kept_back(self, reason: str) -> None:
        """An entry was allowed and not sent."""
        self._lose("sent", reason)

    def sent(self) -> None:
        """An entry was sent."""
        self._pass("sent")

    def answered(self, filled: int, unfilled: Mapping[str, int]) -> None:
        """What became of the entries that were sent, at the end of the turn."""
        self._pass("filled", filled)
        for reason, number in unfilled.items():
            self._lose("filled", reason, number)

    def publish(self) -> None:
        """Add the counts to the metrics."""
        for (step, reason), number in self.counts.items():
            if reason:
                metrics.FUNNEL_LOST.labels(step, reason).inc(number)
            else:
                metrics.FUNNEL.labels(step).inc(number)

    def _pass(self, step: str, number: int = 1) -> None:
        self.counts[step, ""] += max(0, number)

    def _lose(self, step: str, reason: str, number: int = 1) -> None:
        if number > 0:
            self.counts[step, reason] += number


def is_entry(made: Decision) -> bool:
    """Whether a decision buys."""
    return made.intent is not None and made.intent.side is Side.BUY


def document(counts: Mapping[tuple[str, str], int]) -> list[dict[str, Any]]:
    """Step by step: how many came through, and how many were lost at it by reason, the largest first."""
    return [
        {
            "step": step,
            "meaning": MEANINGS[step],
            "count": counts.get((step, ""), 0),
            "lost": dict(_largest((why, n) for (at, why), n in counts.items() if at == step and why)),
        }
        for step in STEPS
    ]


def _largest(pairs: Iterable[tuple[str, int]]) -> Sequence[tuple[str, int]]:
    return sorted(pairs, key=lambda pair: (-pair[1], pair[0]))
