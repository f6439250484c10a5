"""The page of one backtest of one's own: curves, figures beside what it is compared with, every trade of its own."""

from collections.abc import Sequence
from html import escape
from typing import Any

from pipelines.backtest import charts, page_tables, report
from pipelines.backtest.page_tables import money, number, soft, table, time_of
from pipelines.backtest.strategies import Run
from pipelines.study.own import Played

DOCUMENT, TRADES = "run.json", "trades.csv"
"""Files of a backtest that is kept."""

FIGURES = (
    "strategy",
    "P&amp;L",
    "return",
    "Sharpe (bar)",
    "max drawdown",
    "round trips",
    "win rate",
    "fees",
    "exposure",
)


def page(played: Played) -> str:
    """The whole page; it needs nothing from outside."""
    document, runs = played.document, played.runs
    run, lines, known = runs[0], report.once(runs), played.comparison.tape.markets
    first, last = time_of(document["from_s"]), time_of(document["to_s"])
    about = (
        f"{document['data']}: {document['markets']} markets, {document['market_bars']:,} bars of"
        f" {document['bar_length_s']} s, {first} to {last}; one account of {document['cash_pusd']:,} pUSD, every"
        " decision through decide(), fills one bar later, after spread, impact and fees. Forecasts:"
        f" {document['forecasts']}."
    )
    notes = "".join(f"<p class=note>{escape(one)}.</p>" for one in document["notes"])
    parts = [
        f"<h1>Backtest of {escape(run.kind)}</h1><p class=soft>{escape(about)}</p>{notes}",
        f"<div class=card><p>{verdict(document)}</p></div>",
        f"<div class=card>{charts.legend(lines)}{charts.chart(lines, charts.equity)}</div>",
        f"<h2>Figures</h2><div class=card>{_figures(lines)}</div>",
        f"<h2>Drawdown from the peak, %</h2><div class=card>{charts.chart(lines, charts.fallen)}</div>",
        f"<h2>At stake, % of equity</h2><div class=card>{charts.chart(lines, charts.at_stake)}</div>",
        f"<h2>Where the money went</h2><div class=card>{page_tables.costs(document)}</div>",
        f"<h2>Calibration of decisions</h2><div class=card>{page_tables.calibration(document)}</div>",
        f"<h2>Why entries were refused</h2><div class=card>{page_tables.refusals(run)}</div>",
        f"<h2>P&amp;L by market</h2><div class=card>{page_tables.markets(run, known, DOCUMENT)}</div>",
        f"<h2>Newest trades</h2><div class=card>{page_tables.trades(run, known, TRADES)}</div>",
        f"<h2>Parameters</h2><div class=card>{_parameters(document)}</div>",
    ]
    head = f"<!doctype html><html lang=en><meta charset=utf-8><title>{escape(run.kind)} · oddsmith backtest</title>"
    return f"{head}<style>{report.STYLE}</style><main>{''.join(parts)}</main></html>"


def verdict(document: dict[str, Any]) -> str:
    """One sentence: what it earned, how sure that is, and what luck alone would have brought."""
    earned, lower, upper = (document["pnl"][name] for name in ("pusd", "lower", "upper"))
    said = f"P&amp;L {money(earned)} pUSD"
    if lower is not None:
        said += f" (95 % interval over {document['pnl']['events']} events: {lower:+,.2f} to {upper:+,.2f})"
    if document["random_mean_pnl_pusd"] is not None:
        said += f"; entries at random with the same turnover {money(document['random_mean_pnl_pusd'])}"
    deflated = document["deflated_sharpe"]
    if deflated is not None:
        said += (
            f". Deflated Sharpe ratio over events after"
            f" {counted(deflated['trials'])} of this policy:"
            f" {deflated['probability']:.2f} (0.95 is the usual demand)"
        )
    return said + "."


def counted(trials: int) -> str:
    """1 trial, 2 trials."""
    return f"{trials:,} trial" + "s" * (trials != 1)


def _figures(runs: Sequence[Run]) -> str:
    rows = []
    for run in runs:
        f = run.figures
        rows.append(
            [
                escape(run.name),
                money(f.pnl_pusd),
                f"{f.return_fraction:+.2%}",
                number(f.sharpe_bar),
                f"{f.max_drawdown:.2%}",
                f"{f.round_trips:,}",
                "" if f.win_rate is None else f"{f.win_rate:.0%}",
                f"{f.fees_pusd:,.2f}",
                f"{f.mean_exposure:.1%}",
            ]
        )
    return table(FIGURES, rows)


def _parameters(document: dict[str, Any]) -> str:
    rows = [(escape(name), escape(str(value))) for name, value in document["params"].items()]
    return table(("parameter", "value"), rows) if rows else soft("This policy has no parameters.")
