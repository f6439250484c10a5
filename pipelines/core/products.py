"""Where every product of the pipelines lies, relative to the folder that a command works in.

dvc.yaml names the same paths as dependencies and outputs; a test compares the two.
"""

from pathlib import Path
from typing import Final

WINDOW: Final = Path("data/window.json")
"""What the next pull reads: source, start, end."""

CHAMPION: Final = Path("data/champion.json")
"""The champion that the next gate compares with, as it was when the window was opened."""

RAW: Final = Path("data/raw")
"""Markets, bars, headlines, payouts and spreads as the pull wrote them."""

QUARANTINE: Final = Path("data/quarantine")
"""Rows of data/raw that nothing learns from, with the rule that each breaks."""

MARKETS: Final = RAW / "markets.parquet"

START: Final = Path("models/start")
"""What the next training begins from: start.json, and the champion's filter and weights where it begins from them."""

REPLAY: Final = Path("data/replay")
"""The newest event of a recording, kept from every stage so that it can be traded."""

FEATURES: Final = Path("data/features")

FORECASTS: Final = Path("data/forecasts")

FORECAST_TABLE: Final = FORECASTS / "forecasts.parquet"

FORECASTER: Final = Path("models/forecaster")

AGENT: Final = Path("models/agent")

CHOICE: Final = Path("models/choice")
"""The policy that the backtest chose, with its parameters."""

BUNDLE: Final = Path("models/bundle")
"""The candidate: the sealed bundle that the last run of `package` wrote."""

VERDICT: Final = Path("models/verdict.json")
"""What the gate said of the candidate; it travels with the bundle."""

REPORTS: Final = Path("reports")


def report_json(name: str) -> Path:
    """The JSON report of a stage or command, such as `report_json("gate")`."""
    return REPORTS / f"{name}.json"


def report_page(name: str) -> Path:
    """The HTML page of a stage or command, such as `report_page("drift")`."""
    return REPORTS / f"{name}.html"
