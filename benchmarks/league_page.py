"""The league as a page for readers: the guide's table, with the columns that it leaves out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pipelines.core.params import Params
from pipelines.replay.performance import Figures

TITLES = {
    "persistence": "Persistence (the market price)",
    "ar": "Autoregression on log-odds (6 lags)",
    "ssm": "State-space filter alone",
    "ridge": "Filter and linear path, no recurrent layers",
    "ridge_without_filter": "Linear path alone",
    "hybrid_without_filter": "Hybrid LSTM-GRU without the filter",
    "hybrid": "**Hybrid LSTM-GRU**",
    "gru": "**GRU**",
    "lstm": "**LSTM**",
    "sentiment_lstm": "**Sentiment LSTM**",
    "garch_lstm": "**GARCH-LSTM**",
}
CLAIMED = {
    "hybrid": "0.54 % MAPE, RMSE 0.017, MAE 0.013, Sharpe 2.3",
    "gru": "0.62 % MAPE, RMSE 0.019, MAE 0.015, Sharpe 2.1",
    "lstm": "1.05 % MAPE, RMSE 0.023, MAE 0.018, Sharpe 1.8",
    "sentiment_lstm": "0.83 % MAPE, RMSE 0.083, Sharpe 0.407",
    "garch_lstm": "10 % VaR improvement",
}
HEAD = (
    "| Model | MAPE | RMSE | MAE | Sharpe | Trades | Skill h = 1 | Skill h = 5 | Skill h = {last} | Skill pooled"
    " [95 %] | VaR 5 % exceeded | VaR gain | Training | The guide says |"
)


@dataclass(frozen=True)
class Entry:
    """One forecaster's row."""

    name: str
    metrics: dict[str, Any]
    value_at_risk: dict[str, float]
    trading: Figures
    training_s: float


def page(entries: Sequence[Entry], limit: Any, params: Params, source: str) -> str:
    """Markdown: how it was measured, the table, how to read it."""
    last = params.forecast.horizon_bars
    first = entries[0].metrics
    lines = [
        "# The league of forecasters",
        "",
        f"Data: {_data(source, params)}. Every row: one protocol, the same bars. Trained on the fit slice"
        f" ({params.league.epochs} x {params.league.windows:,} windows, seed {params.forecast.seed}), intervals and"
        f" confidence calibrated on the next slice, measured on the selection slice: {first['windows']:,} bars of"
        f" {first['events']} events, prices in [0.02, 0.98]. MAPE, RMSE and MAE are of the price at h = {last} bars."
        " Made by `make league`.",
        "",
        HEAD.format(last=last),
        "|" + "---|" * 14,
        *(_row(entry, last) for entry in entries),
        *_limit(limit),
        "",
        "All networks share the linear start (a ridge regression on the last bars, docs/decisions/0006): what a row has"
        " beyond it is what its recurrent layers and further inputs add in so short a training.",
        "",
        "Skill is 1 - RMSE / RMSE of persistence in price units (pooled: horizons"
        f" {first['pooled_horizons'][0]} to {first['pooled_horizons'][1]}, interval by a bootstrap over events). A MAPE"
        " says nothing without the row of persistence. Sharpe is of the threshold rule after spread, impact and fees,"
        " from daily totals, x sqrt 365, on a few days and a few events: no promise of what the rule would earn. VaR is"
        f" the lower interval bound at h = {last}; its gain is 1 - pinball loss / that of persistence.",
        "",
    ]
    return "\n".join(lines)


def _data(source: str, params: Params) -> str:
    if source != "simulated":
        return f"source {source}"
    made = params.simulator
    return f"synthetic markets (edge {made.edge:g}, seed {made.seed}, {params.pull.history_days} days)"


def _row(entry: Entry, last: int) -> str:
    metrics, end = entry.metrics, str(last)
    low, high = metrics["skill_price_pooled_interval"]
    sharpe = entry.trading.sharpe_day
    cells = (
        TITLES[entry.name],
        f"{100 * metrics['mape'][end]:.2f} %",
        f"{metrics['rmse'][end]:.4f}",
        f"{metrics['mae'][end]:.4f}",
        "no trades" if sharpe is None or entry.trading.round_trips == 0 else f"{sharpe:.1f}",
        str(entry.trading.round_trips),
        *(_percent(metrics["skill_price"].get(h)) for h in ("1", "5", end)),
        f"{_percent(metrics['skill_price_pooled'])} [{100 * low:.1f}, {100 * high:.1f}]",
        f"{100 * entry.value_at_risk['exceeded']:.1f} %",
        f"{100 * entry.value_at_risk['improvement']:+.1f} %",
        f"{entry.training_s:.0f} s" if entry.training_s else "-",
        CLAIMED.get(entry.name, "-"),
    )
    return "| " + " | ".join(cells) + " |"


def _limit(limit: Any) -> list[str]:
    if not limit:
        return [
            "",
            "The Kalman limit was not measured: `oddsmith league` without --keep-limit does it.",
        ]
    skills = [f"{row['skill_pct']:.1f} %" for row in limit["horizons"].values()]
    horizons = ", ".join(limit["horizons"])
    return [
        "",
        f"Kalman limit (the best anyone can do with these markets' public data, headlines included; log-odds, edge"
        f" {limit['edge']:g}, seed {limit['seed']}): skill {', '.join(skills)} at h = {horizons}.",
    ]


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.2f} %"
