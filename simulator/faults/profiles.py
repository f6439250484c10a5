"""Fault profiles: named sets of faults with rates. All rates are in `VENUE`; docs/simulator.md has their sources."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from pipelines.core.errors import ParameterError

FaultDocument = dict[str, Any]
"""A fault and its options as JSON, in the form of POST /admin/faults."""


@dataclass(frozen=True, slots=True)
class RecurringFault:
    """A fault that starts `per_day` times per market day on average, at random minutes.

    Its duration is in market time, so that the share of time with faults is the same at every speed.
    """

    per_day: float
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Profile:
    """Faults that are always on, faults that recur, and the venue options that belong to them."""

    always: tuple[FaultDocument, ...] = ()
    recurring: Mapping[str, RecurringFault] = field(default_factory=dict)
    named_share: float = 0.0
    """Share of markets whose outcomes have names."""
    auto_redeem: bool = True


VENUE: Final = Profile(
    named_share=0.28,  # 164 of 584 recorded markets
    auto_redeem=False,
    always=(
        {"fault": "spend_sums", "probability": 0.5},
        {"fault": "settlement_fails", "probability": 0.01},
        {"fault": "settlement_fails_winners", "probability": 0.02},
        {"fault": "settlement_retries", "probability": 0.02},
        {"fault": "settlement_fails_then_confirms", "probability": 0.005},
        {"fault": "delayed_with_words", "probability": 0.01},
        {"fault": "trades_incomplete", "probability": 0.01},
        {"fault": "odd_frames", "probability": 0.0005},
        {"fault": "odd_stamps", "probability": 0.0002},
        {"fault": "gamma_odd", "probability": 0.02},
        {"fault": "history_nulls", "probability": 0.001},
        {"fault": "resolve_late", "probability": 0.2, "delay_min": 30},
        {"fault": "resolve_disputed", "probability": 0.02, "delay_min": 240},
        {"fault": "resolution_unsaid", "probability": 0.1},
        {"fault": "wrong_winner", "probability": 0.01},
    ),
    recurring={
        "restart": RecurringFault(1 / 7, {"for_min": 2}),
        "empty_books": RecurringFault(1, {"for_min": 2}),
        "ws_drop": RecurringFault(6, {"for_min": 0.5}),
        "ws_freeze": RecurringFault(2, {"for_min": 2}),
        "token_silent": RecurringFault(12, {"for_min": 30}),
        "asks_gone": RecurringFault(12, {"for_min": 1}),
        "bids_gone": RecurringFault(12, {"for_min": 1}),
        "ghost_book": RecurringFault(4, {"for_min": 2}),
        "crossed_snapshot": RecurringFault(4, {"for_min": 1}),
        "tick_missed": RecurringFault(2, {"tick_units": 10}),
        "stale_balance": RecurringFault(4, {"for_min": 5, "orders": 1}),
        "rate_limit": RecurringFault(4, {"for_min": 1}),
        "forbidden": RecurringFault(2, {"for_min": 2, "reads": 1}),
        "order_timeout": RecurringFault(4, {"count": 1}),
        "lost_answer": RecurringFault(4, {"count": 1, "hold_s": 6}),
        "late_answer": RecurringFault(12, {"count": 1}),
        "trades_empty": RecurringFault(4, {"count": 1}),
        "taker_delay": RecurringFault(4, {"for_min": 60}),
        "batch_reverts": RecurringFault(1, {"for_min": 5}),
        "leg_reverts": RecurringFault(1, {"for_min": 5}),
        "gamma_empty": RecurringFault(1, {"for_min": 5}),
        "gamma_duplicates": RecurringFault(1, {"for_min": 60}),
        "gamma_error": RecurringFault(2, {"for_min": 5}),
        "data_error": RecurringFault(2, {"for_min": 5}),
        "history_overlap": RecurringFault(1, {"for_min": 60}),
        "resolve_early": RecurringFault(1),
        "resolve_half": RecurringFault(0.2),
        "decided_away": RecurringFault(0.5),
        "fee_change": RecurringFault(0.5, {"rate": 0.05}),
        "min_size_change": RecurringFault(0.5, {"shares": 5}),
        "end_change": RecurringFault(1, {"minutes": -60}),
        "reward": RecurringFault(1, {"micro": 1_234_567}),
        "rebate": RecurringFault(1, {"micro": 1_000_001}),
        "relayer_busy": RecurringFault(2, {"for_min": 2}),
        "relayer_fails": RecurringFault(2, {"count": 1}),
    },
)

TRADING: Final = frozenset({
    "spend_sums", "settlement_fails", "settlement_fails_winners", "settlement_retries",
    "settlement_fails_then_confirms", "delayed_with_words", "trades_incomplete", "odd_frames", "resolution_unsaid",
    "wrong_winner", "ws_drop", "ws_freeze", "token_silent", "asks_gone", "bids_gone", "ghost_book", "crossed_snapshot",
    "stale_balance", "rate_limit", "lost_answer", "late_answer", "trades_empty", "taker_delay", "reward",
    "rebate", "relayer_busy", "relayer_fails",
})  # fmt: skip
"""Faults of `VENUE` that a trader meets and that leave listing, history and payouts as they are."""

DEMONSTRATION: Final = Profile(
    named_share=VENUE.named_share,
    auto_redeem=VENUE.auto_redeem,
    always=tuple(one for one in VENUE.always if one["fault"] in TRADING),
    recurring={name: fault for name, fault in VENUE.recurring.items() if name in TRADING},
)
"""The venue's rates of what a trader meets. What a pull reads is left alone, so that one seed is still one data set."""

PROFILES: Final[Mapping[str, Profile]] = {"off": Profile(), "trading": DEMONSTRATION, "venue": VENUE}


def profile(name: str) -> Profile:
    """A profile by name.

    Raises:
        ParameterError: if there is no such profile; the text lists the profiles.
    """
    found = PROFILES.get(name)
    if found is None:
        raise ParameterError(f"profile was {name!r}; choose one of {', '.join(PROFILES)}")
    return found
