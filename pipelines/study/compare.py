"""Two backtests compared: what the second one earned more, event by event."""

from typing import Any

import numpy as np

from pipelines.core.errors import DataError
from pipelines.gate.paired import difference
from pipelines.study.own import LEVEL, total

FIGURES = ("pnl_pusd", "sharpe_bar", "max_drawdown", "round_trips", "win_rate", "fees_pusd", "mean_exposure")


def compare(first: dict[str, Any], second: dict[str, Any]) -> dict[str, Any]:
    """The second backtest less the first one, paired by event: total with a 95 % interval, mean per event, and the
    Diebold-Mariano statistic; figures of both; every number that differs.

    Raises:
        DataError: if they share no event.
    """
    mine, theirs = (one["pnl_by_event_pusd"] for one in (first, second))
    events = sorted(mine.keys() & theirs.keys())
    if not events:
        raise DataError(
            f"{first['name']} ({first['data']}) and {second['name']} ({second['data']}) share no event; play both on"
            " the same data and dates"
        )
    gains = np.array([theirs[one] - mine[one] for one in events])
    tested = difference(gains, 0.0, LEVEL)
    return {
        "first": first["name"],
        "second": second["name"],
        "events": len(events),
        "only_in_first": len(mine) - len(events),
        "only_in_second": len(theirs) - len(events),
        "same_data": first["data_sha256"] == second["data_sha256"],
        "gain": total(gains),
        "mean_gain_per_event_pusd": tested.mean,
        "statistic": tested.statistic,
        "better": _better(tested.lower, tested.upper),
        "figures": {name: [one["figures"][name] for one in (first, second)] for name in FIGURES},
        "differs": _differs(first, second),
    }


def _better(lower: float, upper: float) -> str | None:
    """Which one is surely better; None where the interval holds 0."""
    return "second" if lower > 0.0 else "first" if upper < 0.0 else None


def _differs(first: dict[str, Any], second: dict[str, Any]) -> dict[str, list[Any]]:
    """Parameters and conditions that are not the same, as [first, second]."""
    found = {
        name: [first[name], second[name]] for name in ("policy", "data", "forecasts", "from_s", "to_s", "cash_pusd")
    }
    names = dict.fromkeys((*first["params"], *second["params"]))
    found |= {f"params.{name}": [one["params"].get(name) for one in (first, second)] for name in names}
    settings = [one.get("settings", {}) for one in (first, second)]
    sections = dict.fromkeys(name for one in settings for name in one if "." in name and not name.startswith("policy."))
    found |= {name: [one.get(name) for one in settings] for name in sections}
    return {name: pair for name, pair in found.items() if pair[0] != pair[1]}
