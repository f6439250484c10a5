"""The criteria of the gate: each with what was measured, its limit, and a sentence for people."""

import math
from dataclasses import asdict, dataclass
from typing import Any

from pipelines.core.params import Params
from pipelines.core.sections import GateParams
from pipelines.gate.contender import CASH, Contender, Traded
from pipelines.gate.evidence import Skill
from pipelines.gate.look_ahead import Proof
from pipelines.gate.paired import Paired
from pipelines.replay.luck import Deflated

PARITY_TOLERANCE = 1e-3


@dataclass(frozen=True)
class Criterion:
    """One line of the verdict. `limit` is what `value` has to keep to; both are None where nothing could be measured,
    or where the criterion asks for nothing of this candidate."""

    name: str
    passed: bool
    value: float | None
    limit: float | None
    text: str

    def document(self) -> dict[str, Any]:
        """For JSON."""
        return {**asdict(self), "value": _finite(self.value), "limit": _finite(self.limit)}


def enough_events(events: int, gate: GateParams) -> Criterion:
    """The slice holds enough independent events for a judgement."""
    text = f"The gate slice holds {events} events; at least {gate.min_events} are needed for a judgement."
    return Criterion("events", events >= gate.min_events, events, gate.min_events, text)


def skill(by_event: Skill, by_period: Skill, gate: GateParams) -> list[Criterion]:
    """The forecast beats the market price whether events or periods are what is independent."""
    level, span = f"{gate.confidence_level:.0%}", f"horizons {gate.first_horizon} to {gate.last_horizon}"
    made = []
    for name, words, one in (
        ("skill_by_event", f"over {by_event.clusters} events", by_event),
        ("skill_by_period", f"over {by_period.clusters} periods of equal weight", by_period),
    ):
        text = (
            f"Forecast skill against the market price over {span} is {one.value:.2%}; its {level} lower bound {words} "
            f"is {one.lower:.2%} and has to be above 0."
        )
        made.append(Criterion(name, one.lower > 0.0, one.lower, 0.0, text))
    return made


def earnings(kind: str, traded: Traded, lower: float, name: str, fees: str) -> Criterion:
    """The policy surely earned after costs, or it is cash."""
    if kind == CASH:
        return Criterion(name, True, None, None, f"The policy is cash: it trades nothing and pays nothing{fees}.")
    text = (
        f"Policy {kind} made {traded.figures.pnl_pusd:+.2f} pUSD after costs{fees} in {traded.figures.round_trips} "
        f"round trips on the gate slice; its lower bound over {len(traded.by_event)} events is {lower:+.2f} and has to "
        "be above the 0.00 that cash makes."
    )
    return Criterion(name, lower > 0.0, lower, 0.0, text)


def by_period(kind: str, traded: Traded, lower: float) -> Criterion:
    """A policy that acts on no forecast surely earned whether events or periods are what is independent. It is asked
    this instead of the forecast's skill, which says nothing of it."""
    text = (
        f"Policy {kind} acts on no forecast; the lower bound of its P&L over {len(traded.by_period)} periods is"
        f" {lower:+.2f} pUSD and has to be above 0."
    )
    return Criterion("pnl_by_period", lower > 0.0, lower, 0.0, text)


def against_champion(paired: Paired | None, absent: str, gate: GateParams) -> Criterion:
    """Better than the champion, or not worse with less risk."""
    if paired is None:
        why = f"No champion to compare with: {absent}. The candidate is compared with the market price alone."
        return Criterion("champion", True, None, None, why)
    decision = paired.decided(gate.champion_margin)
    by = decision.by
    losses, pnl = paired.losses, paired.pnl
    text = (
        f"Against the champion on {paired.events} events {decision.words}: losses {losses.mean:+.3%} of the market "
        f"price's [{losses.lower:+.3%}, {losses.upper:+.3%}], Diebold-Mariano {losses.statistic:+.2f}; P&L "
        f"{pnl.mean:+.2f} pUSD an event [{pnl.lower:+.2f}, {pnl.upper:+.2f}]; risk {paired.risk_pusd:.2f} pUSD "
        f"(the champion's {paired.champion_risk_pusd:.2f}). It has to be surely better in one of the two and within "
        f"{gate.champion_margin:.0%} in the other, or surely within {gate.champion_margin:.0%} in both with less risk. "
        f"Decided by the {by.what}: {by.value:+.4g} against {by.limit:+.4g}."
    )
    return Criterion("champion", decision.passed, by.value, by.limit, text)


def luck(
    kind: str, deflated: Deflated | None, fooled: float | None, gate: GateParams, *, kept: bool = False
) -> list[Criterion]:
    """What picking the best of all trials explains: the deflated Sharpe ratio of the P&L on the gate slice, and the
    probability that the choice on the selection slice is overfitted. A policy that was `kept` from the champion was
    picked from older data: of the trials those of its own kind count, with whatever forecasts."""
    least, most = gate.min_deflated_sharpe, gate.max_overfitting
    if kind == CASH:
        return [
            Criterion("deflated_sharpe", True, None, least, "The policy is cash: no luck was picked."),
            Criterion("overfitting", True, None, most, "The policy is cash: its choice cannot be overfitted."),
        ]
    value = None if deflated is None else deflated.probability
    which = " (of the champion's policy, which was not picked tonight)" if kept else ""
    said = (
        "cannot be measured: its P&L is the same in all events"
        if deflated is None
        else f"is {deflated.probability:.3f}: {deflated.sharpe_event:.2f} an event over {deflated.events} events, where"
        f" the luckiest of {deflated.trials:,} trials{which} without skill would show {deflated.luckiest_event:.2f}"
    )
    shown = "was not measured" if fooled is None else f"is {fooled:.0%}"
    return [
        Criterion(
            "deflated_sharpe",
            value is not None and value >= least,
            value,
            least,
            f"The deflated Sharpe ratio of the policy on the gate slice {said}; at least {least:g} is needed.",
        ),
        Criterion("overfitting", True, None, most, "The policy is the champion's: nothing was picked tonight.")
        if kept
        else Criterion(
            "overfitting",
            fooled is not None and fooled <= most,
            fooled,
            most,
            f"The probability that the choice is overfitted {shown}; at most {most:.0%} is allowed.",
        ),
    ]


def covered(contender: Contender, params: Params) -> Criterion:
    """The interval holds what it promises."""
    target, limit = params.conformal.coverage, params.gate.coverage_points
    text = (
        f"The {target:.0%} interval covered {contender.coverage:.1%} of the moves; {limit:.0%} of distance are allowed."
    )
    distance = abs(contender.coverage - target)
    return Criterion("coverage", distance <= limit, distance, limit, text)


def fast_enough(milliseconds: float, markets: int, gate: GateParams) -> Criterion:
    """A bar is decided long before the next one."""
    text = (
        f"Forecasts and decisions of {markets} markets took {milliseconds:.0f} ms (median); "
        f"{gate.latency_ms:g} ms are allowed."
    )
    return Criterion("latency", milliseconds <= gate.latency_ms, milliseconds, gate.latency_ms, text)


def no_look_ahead(proof: Proof) -> Criterion:
    """Nothing judged reads what came later."""
    found = len(proof.differences)
    text = f"{proof.compared} features, forecasts and accounts without their future: {found} differ"
    text += f" ({proof.differences[0]}); none may." if found else "; none may."
    return Criterion("look_ahead", proof.compared > 0 and found == 0, found, 0, text)


def same_as_source(parity: float | None) -> Criterion:
    """The sealed networks are the trained ones."""
    if parity is None:
        text = "The package stage did not report ONNX parity for this bundle; run `python -m pipelines package`."
    else:
        text = f"ONNX differs from its source by at most {parity:.1e}; {PARITY_TOLERANCE:g} is allowed."
    return Criterion("onnx", parity is not None and parity < PARITY_TOLERANCE, parity, PARITY_TOLERANCE, text)


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
