"""The forecast of outcomes on the backtest's page: its gains over the price, and what each input adds."""

from typing import Any

from pipelines.backtest.page_tables import soft, table

NAMES = {
    "calibration": "calibration of the price",
    "time": "time left",
    "category": "category",
    "sentiment": "sentiment",
    "reference": "reference price",
    "external": "external probability",
}
BOUNDS = ("gain", "lower_by_event", "upper_by_event", "lower_by_period", "upper_by_period")
HEAD = ("gain", "low, events", "high, events", "low, periods", "high, periods")
SCORES = {"log_score": "log score", "brier": "Brier score"}


def outcomes(found: dict[str, Any]) -> str:
    """Both scores against the price, and by input what it adds to all others."""
    if not found:
        return soft("No market of the later half was resolved: nothing can be scored.")
    if not found["enough_events"]:
        return soft(f"Too few resolved events to learn from: {found['events']} in the later half.")
    gains = table(
        ("score", "of the price", *HEAD),
        ((text, f"{found[f'{name}_of_price']:.4f}", *_bounds(found[name])) for name, text in SCORES.items()),
    )
    inputs = table(
        ("input", "share of bars", *HEAD, "in use"),
        ((NAMES[name], f"{row['share']:.0%}", *_bounds(row.get("log_score")), _use(row)) for name, row in _rows(found)),
    )
    return (
        gains
        + _about(found)
        + inputs
        + soft(
            "Each input: what it gains in log score when it is added to all others, both learned on the earlier half of"
            " the events and scored on the later one. An input is in use where it gained surely over those before it."
        )
    )


def _rows(found: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return list(found["inputs"].items())


def _bounds(row: dict[str, float | None] | None) -> tuple[str, ...]:
    if row is None:
        return ("",) * len(BOUNDS)
    return tuple("" if (value := row[name]) is None else f"{value:+.4f}" for name in BOUNDS)


def _use(row: dict[str, Any]) -> str:
    return "yes" if row["kept"] else "tried, no" if row["taken"] else "no"


def _about(found: dict[str, Any]) -> str:
    waits = found["mean_wait_days"]
    wait = (
        ""
        if waits is None
        else (
            f" A market is open for {waits:.1f} days on average: a share at 0.50 costs"
            f" {found['capital_cost_per_share_at_half']:.4f} pUSD of waiting."
        )
    )
    disputes = found["disputes"]
    taken = ", ".join(NAMES[name] for name in found["taken"]) or "no input"
    return soft(
        f"{found['markets']} markets of {found['events']} later events; one-sided bounds of {found['level']:.0%}."
        f" Gains are those of the inputs that the earlier events chose ({taken}), whether in use or not.{wait} Disputed"
        f" resolutions: {disputes['markets']}."
    )
