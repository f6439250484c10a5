"""The league as a page for readers: the guide's table, with the columns that it leaves out."""

from collections.abc import Sequence
from itertools import groupby
from typing import Any

from benchmarks.league_row import Row, adds
from benchmarks.league_summary import summary
from pipelines.core.params import Params

TITLES = {
    "persistence": "Persistence (the market price)",
    "ar": "Autoregression on log-odds (6 lags)",
    "arima": "ARIMA (order by AIC)",
    "prophet": "Prophet (trend of 240 bars)",
    "fracast": "Foundation model `fracast`, as it comes",
    "ssm": "State-space filter alone",
    "ridge": "Filter and linear path",
    "boosting": "Filter and gradient boosting",
    "ridge_without_filter": "Linear path alone",
    "hybrid_without_filter": "Hybrid LSTM-GRU without the filter",
    "ridge_without_sizes": "Filter and linear path without displayed sizes",
    "hybrid_without_sizes": "Hybrid LSTM-GRU without displayed sizes",
    "hybrid": "**Hybrid LSTM-GRU**",
    "mlp": "**Dense network** (the default)",
    "gru": "**GRU**",
    "lstm": "**LSTM**",
    "sentiment_lstm": "**Sentiment LSTM**",
    "garch_lstm": "**GARCH-LSTM**",
    "transformer": "**Transformer**",
    "ensemble": "**Ensemble**, weights sealed at training",
    "online_ensemble": "**Ensemble** of the rows above, weights moved bar by bar",
    "limit": "*The best that is possible, or its bound*",
}
CLAIMED = {
    "hybrid": "0.54 % MAPE, RMSE 0.017, MAE 0.013, Sharpe 2.3",
    "gru": "0.62 % MAPE, RMSE 0.019, MAE 0.015, Sharpe 2.1",
    "lstm": "1.05 % MAPE, RMSE 0.023, MAE 0.018, Sharpe 1.8",
    "sentiment_lstm": "0.83 % MAPE, RMSE 0.083, Sharpe 0.407",
    "garch_lstm": "10 % VaR improvement",
    "online_ensemble": "5 to 10 % more accuracy",
}
OVER = ("ssm", "ridge")
ABLATION = (
    ("ridge", "network off"),
    ("hybrid_without_filter", "filter off"),
    ("hybrid_without_sizes", "sizes off"),
)
"""Rows that lack a part of the hybrid."""
HEAD = (
    "| Model | MAPE | RMSE | MAE | Skill h = 1 | h = 5 | h = {last} | Skill pooled [95 %, events] | [95 %, periods] |"
    " Slope | Coverage | VaR 5 % exceeded | VaR gain | Trades | Sharpe | Training | 80 markets | The guide says |"
)


def page(rows: Sequence[Row], limit: Any, params: Params) -> str:
    """Markdown: how it was measured, a table for every data set, what networks add, how to read it."""
    last, made = params.forecast.horizon_bars, params.league
    lines = [
        "# The league of forecasters",
        "",
        f"Every row of a table: one protocol, the same bars. Trained on the fit slice ({made.epochs} x"
        f" {made.windows:,} windows, the large protocol five times as many), safe shrink, intervals and confidence from"
        " the next slice, judged on later bars (of a pull the selection slice alone) at prices in [0.02, 0.98], a share"
        f" of the bar times. MAPE, RMSE and MAE are of the price at h = {last} bars. Prophet and fracast, which take"
        " most of a second for a forecast, are judged on 300 of the bars. Made by `oddsmith league`.",
    ]
    order = sorted(rows, key=_about)
    lines += summary(order, TITLES | {kind: kind for kind in sorted({row["kind"] for row in rows} - set(TITLES))})
    for about, group in groupby(order, key=_about):
        lines += _table(about, list(group))
    lines += [*_limit(limit), *_reading(rows, last)]
    return "\n".join(lines)


def _about(row: Row) -> tuple[str, str, int]:
    return row["data"], row["size"], row["seed"]


def _table(about: tuple[str, str, int], rows: list[Row]) -> list[str]:
    by_kind = {row["kind"]: row for row in rows}
    null = by_kind.get("persistence")
    shown = [by_kind[kind] for kind in (*TITLES, *sorted(set(by_kind) - set(TITLES))) if kind in by_kind]
    first = (null or shown[0])["metrics"]
    last = first["pooled_horizons"][1]
    return [
        "",
        f"## {about[0]} ({about[1]} protocol, training seed {about[2]})",
        "",
        f"{first['windows']:,} bars of {first['events']} events.",
        "",
        HEAD.format(last=last),
        "|" + "---|" * (HEAD.count("|") - 1),
        *(_row(row, null, str(last)) for row in shown),
        *_added(by_kind),
        *_ablation(by_kind),
        *_weights(by_kind),
    ]


def _row(row: Row, null: Row | None, last: str) -> str:
    metrics, trading = row["metrics"], row.get("trading")
    low, high = metrics["skill_price_pooled_interval"]
    slope, cover, risk = row["price_slope"].get(last), row["coverage"], row["value_at_risk"]
    same = null is not None and null["metrics"]["windows"] == metrics["windows"]
    gain = 1.0 - risk["loss"] / null["value_at_risk"]["loss"] if null is not None and same else None
    kind = str(row["kind"])
    cells = (
        TITLES.get(kind, kind),
        f"{100 * metrics['mape'][last]:.2f} %",
        f"{metrics['rmse'][last]:.4f}",
        f"{metrics['mae'][last]:.4f}",
        *(_percent(metrics["skill_price"].get(h)) for h in ("1", "5", last)),
        f"{_percent(metrics['skill_price_pooled'])} [{100 * low:.1f}, {100 * high:.1f}]",
        "[{:.1f}, {:.1f}]".format(*(100 * value for value in row["period_skill"][1:])),
        "-" if slope is None else f"{slope:.2f}",
        f"{100 * cover['by_horizon'][-1]:.1f} % ({100 * cover['largest_gap']:.1f})",
        f"{100 * risk['exceeded']:.1f} %",
        "-" if gain is None else f"{100 * gain:+.1f} %",
        "-" if trading is None else str(trading["round_trips"]),
        "-" if trading is None or trading["sharpe_day"] is None else f"{trading['sharpe_day']:.1f}",
        f"{row['training_s']:.0f} s" if row["training_s"] else "-",
        f"{row['inference_ms']:.1f} ms" if row["inference_ms"] else "-",
        CLAIMED.get(kind, "-"),
    )
    return "| " + " | ".join(cells) + " |"


def _added(by_kind: dict[str, Row]) -> list[str]:
    """What every row adds to the filter and to the linear path, in points of pooled skill."""
    lines = []
    for kind, row in by_kind.items():
        found = {part: adds(row, by_kind[part]) for part in OVER if part in by_kind and kind not in (part, "ssm")}
        shown = [
            f"{100 * a[0]:+.2f} [{100 * a[1]:+.2f}, {100 * a[2]:+.2f}] over `{part}`" for part, a in found.items() if a
        ]
        if shown and kind not in ("persistence", "ar", "arima"):
            lines.append(f"* `{kind}`: {', '.join(shown)}")
    return ["", "Points of pooled skill that a row adds [95 %, events]:", "", *lines] if lines else []


def _ablation(by_kind: dict[str, Row]) -> list[str]:
    """A line of the pooled skill, in points, that the hybrid loses without network, filter or sizes."""
    whole = by_kind.get("hybrid")
    found = [(off, adds(whole, by_kind[kind])) for kind, off in ABLATION if whole and kind in by_kind]
    shown = [f"{100 * a[0]:+.2f} [{100 * a[1]:+.2f}, {100 * a[2]:+.2f}] against {off}" for off, a in found if a]
    return ["", f"Ablation of `hybrid`, points of pooled skill [95 %, events]: {', '.join(shown)}."] if shown else []


def _weights(by_kind: dict[str, Row]) -> list[str]:
    online = by_kind.get("online_ensemble")
    if online is None:
        return []
    weights = ", ".join(f"{name} {value:.2f}" for name, value in online["weights"].items() if value >= 0.005)
    return [
        "",
        f"Last weights of the online ensemble: {weights}. Its regret against the best single row was"
        f" {online['regret_per_round']:+.4f} per bar time in squared standard deviations; the method's bound is"
        f" {online['bound_per_round']:.4f}.",
    ]


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


def _reading(rows: Sequence[Row], last: int) -> list[str]:
    first = rows[0]["metrics"]["pooled_horizons"] if rows else (5, last)
    return [
        "",
        "Skill is 1 - RMSE / RMSE of persistence in price units (pooled: horizons"
        f" {first[0]} to {first[1]}). The first interval draws events with repetition; the second gives ten equal parts"
        " of the judged time the same weight and draws those. Slope: of the actual on the forecast change of price at"
        f" h = {last}; 1 is calibrated. Coverage: of the 90 % interval at h = {last}, in brackets the largest distance"
        " from 90 % at any horizon, in points. A MAPE says nothing without the row of persistence. Sharpe is of the"
        " threshold rule after spread, impact and fees, from daily totals, x sqrt 365, on a few days and a few events:"
        " no promise of what the rule would earn. VaR is the lower interval bound at"
        f" h = {last}; its gain is 1 - pinball loss / that of persistence ([risk](risk.md) has the tests). Times are of"
        " one thread; the training of a row over the filter is without the filter's own fit, which all rows share.",
        "",
        "All networks start from the same linear path (docs/decisions/0006) over the same filter (0017).",
        "",
    ]


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.2f} %"
