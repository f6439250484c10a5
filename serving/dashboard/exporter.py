"""The gauges and counters that Prometheus reads, set from the picture that the dashboard shows."""

import itertools
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import psutil

from serving import metrics
from serving.dashboard.forecast_score import ForecastScore
from serving.dashboard.nightly_reports import NightMetrics

YEAR_S = 365 * 86_400

FEWEST_RETURNS = 30
"""A Sharpe ratio of fewer bars is not shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What the picture has no place for. `equity_micro` is the equity by bar, oldest first; `bar_length_s` is None
    without a model."""

    equity_micro: Sequence[int]
    bar_length_s: int | None
    markets_decided: int
    ledger_equals_venue: bool | None
    kill: bool


class Exporter:
    """Sets the metrics of one bot after every turn."""

    def __init__(self) -> None:
        self._process = psutil.Process()
        self._used = (time.monotonic(), time.process_time())
        self._max_drawdown = 0.0
        self._shown_positions: set[tuple[str, str]] = set()
        self._fills_seen = 0
        self._parity = NightMetrics()

    def _cpu_percent(self) -> float:
        """Share of one core that the process used since the last call. A clock's reading costs less than a file's."""
        before, self._used = self._used, (time.monotonic(), time.process_time())
        return 100.0 * (self._used[1] - before[1]) / max(self._used[0] - before[0], 1e-9)

    def fills_before(self, count: int) -> None:
        """Fills of earlier sessions are no trades of this process."""
        self._fills_seen = count

    def publish(self, state: dict[str, Any], score: ForecastScore | None, feed_age_s: float, figures: Figures) -> None:
        """Set every metric from the state of a finished turn."""
        money = state["account"]
        self._max_drawdown = max(self._max_drawdown, money["drawdown"])
        for gauge, value in (
            (metrics.PORTFOLIO_VALUE, money["equity"]),
            (metrics.CASH, money["cash"]),
            (metrics.DAILY_PNL, money["daily_pnl"]),
            (metrics.TOTAL_PNL, money["pnl"]),
            (metrics.WIN_RATE, 100.0 * (money["win_rate"] or 0.0)),
            (metrics.SHARPE, sharpe(figures.equity_micro, figures.bar_length_s)),
            (metrics.DRAWDOWN, money["drawdown"]),
            (metrics.MAX_DRAWDOWN, self._max_drawdown),
            (metrics.EXPOSURE, money["exposure"]),
            (metrics.POSITIONS, len(state["positions"])),
            (metrics.MARKETS, figures.markets_decided),
            (metrics.LEDGER, {True: 1, False: 0, None: -1}[figures.ledger_equals_venue]),
            (metrics.KILLED, int(figures.kill)),
            (metrics.FEED_AGE, feed_age_s),
            (metrics.LAST_BAR, time.time()),
            (metrics.MEMORY, self._process.memory_info().rss / 1e6),
            (metrics.CPU, self._cpu_percent()),
        ):
            gauge.set(value)
        metrics.TRADES.inc(max(0, state["fills_total"] - self._fills_seen))
        self._fills_seen = state["fills_total"]
        if score is not None:
            metrics.ACCURACY.set(score.accuracy or 0.0)
            metrics.JUDGED.set(score.moves)
            metrics.PREDICTION_ERROR.set(score.error or 0.0)
        self._publish_positions(state["positions"])
        self._parity.publish()

    def _publish_positions(self, positions: Sequence[dict[str, Any]]) -> None:
        now = set()
        for row in positions:
            labels = (row["market_id"], row["outcome"])
            now.add(labels)
            metrics.POSITION_SHARES.labels(*labels).set(row["shares"])
            metrics.POSITION_ENTRY.labels(*labels).set(row["entry"] or 0.0)
            metrics.POSITION_PNL.labels(*labels).set(row["pnl"])
        for labels in self._shown_positions - now:
            for gauge in (metrics.POSITION_SHARES, metrics.POSITION_ENTRY, metrics.POSITION_PNL):
                gauge.labels(*labels).set(0)
        self._shown_positions |= now


def sharpe(equity_micro: Sequence[int], bar_length_s: int | None) -> float:
    """Sharpe ratio of the bars that are shown, annualised for 365 open days; 0 before 30 returns or without a model."""
    returns = [after / before - 1.0 for before, after in itertools.pairwise(equity_micro) if before > 0]
    if len(returns) < FEWEST_RETURNS or bar_length_s is None:
        return 0.0
    mean = sum(returns) / len(returns)
    spread = math.sqrt(sum((r - mean) ** 2 for r in returns) / (len(returns) - 1))
    return mean / spread * math.sqrt(YEAR_S / bar_length_s) if spread > 0 else 0.0
