"""The backtest as one self-contained page, and as files of numbers: equity by bar, trades."""

import csv
import io
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import numpy as np

from pipelines.backtest import charts, page_tables
from pipelines.backtest.outcome_table import outcomes
from pipelines.backtest.page_tables import money, number, soft, time_of
from pipelines.backtest.strategies import Run
from pipelines.core.domain import Market
from pipelines.core.money import MICRO

DAY_S = 86_400
PERIODS = (30, 90)
"""Days of the returns in the guide's table."""

STYLE = """
:root{color-scheme:light dark;--ink:light-dark(#0f172a,#dbe1ec);--soft:light-dark(#5b6879,#8f9bb0);
--line:light-dark(#e2e8f0,#1e2635);--paper:light-dark(#f8fafc,#0a0d13);--card:light-dark(#fff,#10151e)}
body{font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper);margin:0}
main{max-width:1240px;margin:0 auto;padding:32px 24px}h1{font-size:26px;margin:0}h2{font-size:18px;margin:32px 0 8px}
.card{background:var(--card);
border:1px solid var(--line);border-radius:12px;padding:20px;margin-top:16px;overflow-x:auto}
p.soft,.soft{color:var(--soft)}.card>p:last-child{margin-bottom:0}.card>p:first-child{margin-top:0}
p.note{background:light-dark(#fffbeb,#2b2410);
border:1px solid light-dark(#fde68a,#7c6420);border-radius:12px;padding:12px 20px}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
th,td{padding:6px 8px;text-align:right;border-bottom:1px solid var(--line);white-space:nowrap}
th:first-child,td:first-child{text-align:left}th{font-weight:600;color:var(--soft);font-size:13px}
td.wide{text-align:left;white-space:normal;color:var(--soft)}
tr.chosen td{background:light-dark(#eff6ff,#16233c);font-weight:600}
.up{color:light-dark(#047857,#2ebd85)}.down{color:light-dark(#dc2626,#f0526b)}
svg text{font:12px system-ui,sans-serif;fill:var(--soft)}svg{overflow:visible}.legend{margin-bottom:12px}
.legend>span{margin-right:18px;white-space:nowrap;display:inline-block}
"""


def once(runs: Sequence[Run]) -> list[Run]:
    """Every strategy once: of the random ones the first."""
    return [run for run in runs if run.kind != "random_matched" or run.name == "random_0"]


def equity_csv(runs: Sequence[Run]) -> str:
    """Columns ts_s and one per strategy, equity in pUSD."""
    lines = [",".join(("ts_s", *(run.name for run in runs)))]
    columns = [run.result.equity_micro for run in runs]
    for k, ts_s in enumerate(runs[0].result.ts_s):
        lines.append(",".join((str(ts_s), *(f"{column[k] / MICRO:.6f}" for column in columns))))
    return "\n".join(lines) + "\n"


def trades_csv(run: Run, markets: Mapping[str, Market]) -> str:
    """Every closed trade of a strategy in the order of closing: times in UTC s, shares, P&L after costs in pUSD.

    A position that was left in parts has a row for each part.
    """
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(("policy", "opened_s", "closed_s", "event_id", "market_id", "token", "shares", "pnl_pusd", "reason"))
    for one in run.result.closed:
        about = (markets[one.market_id].event_id, one.market_id, one.outcome.value)
        rows.writerow((run.name, one.opened_s, one.closed_s, *about, one.shares, f"{one.pnl:f}", one.reason))
    return text.getvalue()


def slice_days(run: Run, length_s: int) -> float:
    """Days from the opening of the first bar to the close of the last."""
    return (run.result.ts_s[-1] - run.result.ts_s[0] + length_s) / DAY_S


def trailing_returns(run: Run, length_s: int, cash_micro: int) -> dict[str, float]:
    """Return of the last 30 and 90 days, by days; only those that the slice holds, nothing is extrapolated."""
    ts_s, equity = np.asarray(run.result.ts_s), run.result.equity_micro
    found = {}
    for days in PERIODS:
        if slice_days(run, length_s) >= days:
            before = int(np.searchsorted(ts_s, ts_s[-1] - days * DAY_S, side="right")) - 1
            found[str(days)] = equity[-1] / (equity[before] if before >= 0 else cash_micro) - 1.0
    return found


def page(runs: Sequence[Run], document: dict[str, Any], markets: Mapping[str, Market]) -> str:
    """The whole page; needs nothing from outside. Markets, by id, are called by their questions."""
    first, last = (time_of(runs[0].result.ts_s[k]) for k in (0, -1))
    about = (
        f"{document['markets']} markets, {document['market_bars']:,} bars of {document['bar_length_s']} s,"
        f" {first} to {last}; one account of {document['cash_pusd']:,} pUSD, every decision through decide(), fills"
        " one bar later, after spread, impact and fees"
    )
    seen, lines = next(run for run in runs if run.name == document["detailed"]), once(runs)
    name = escape(seen.name) + ("" if seen.name == document["chosen"] else ", not chosen")
    parts = [
        f"<h1>Backtest on the selection slice</h1><p class=soft>{escape(about)}</p>{_note(seen, document)}",
        f"<div class=card>{charts.legend(lines)}{charts.chart(lines, charts.equity)}</div>",
        f"<h2>Strategies</h2><div class=card>{_table(runs, document)}</div>",
        f"<h2>Drawdown from the peak, %</h2><div class=card>{charts.chart(lines, charts.fallen)}</div>",
        f"<h2>At stake, % of equity</h2><div class=card>{charts.chart(lines, charts.at_stake)}</div>",
        f"<h2>When trading gets harder</h2><div class=card>{page_tables.stress(document)}"
        f"{page_tables.bias(document)}</div>",
        f"<h2>Where the money went ({name})</h2><div class=card>{page_tables.costs(document)}</div>",
        f"<h2>Calibration of decisions ({name})</h2><div class=card>{page_tables.calibration(document)}</div>",
        f"<h2>Forecast of outcomes</h2><div class=card>{outcomes(document.get('outcome_forecast', {}))}</div>",
        f"<h2>The guide's stacks</h2><div class=card>{page_tables.stacks(document['stacks'])}</div>",
        f"<h2>Why entries were refused ({name})</h2><div class=card>{page_tables.refusals(seen)}</div>",
        f"<h2>P&amp;L by market ({name})</h2><div class=card>{page_tables.markets(seen, markets)}</div>",
        f"<h2>Newest trades ({name})</h2><div class=card>{page_tables.trades(seen, markets)}</div>",
        soft(
            f"Sharpe ratios: {escape(document['annualised'])}; none of fewer than three. Positions still open are"
            " marked to mid."
        ),
    ]
    head = (
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>"
        f"<title>oddsmith backtest</title><style>{STYLE}</style><body>"
    )
    return f"{head}<main>{''.join(parts)}</main></body></html>"


def _note(seen: Run, document: dict[str, Any]) -> str:
    """Which policy the sections below follow where it is not the chosen one."""
    if seen.name == document["chosen"]:
        return ""
    chosen, name = escape(document["chosen"]), escape(seen.name)
    return (
        f"<p class=note>Chosen: <b>{chosen}</b>, because no candidate earned anything after costs. The sections that"
        f" follow one policy show the best candidate, <b>{name}</b>, which was not chosen.</p>"
    )


def _table(runs: Sequence[Run], document: dict[str, Any]) -> str:
    days = document["slice_days"]
    periods = [period for period in PERIODS if days >= period]
    names = ["strategy", "P&amp;L", f"return in {days:.1f} days", *(f"last {period} days" for period in periods)]
    names += [
        "Sharpe (day)",
        "Sharpe (bar)",
        "max drawdown",
        "round trips",
        "win rate",
        "per trade",
        "fees",
        "exposure",
    ]
    head = "".join(f"<th>{name}</th>" for name in names)
    body = "".join(_row(run, document, periods) for run in runs)
    return f"<table><tr>{head}</tr>{body}</table>{_remarks(days, periods)}"


def _remarks(days: float, periods: Sequence[int]) -> str:
    """What the table cannot say, and what its sizes know."""
    missing = " or ".join(f"{period}-day" for period in PERIODS if period not in periods)
    short = (
        f"This slice holds {days:.1f} days: it has no {missing} return, and none is extrapolated. " if missing else ""
    )
    return soft(
        "&#9733; is chosen: the largest P&amp;L less one standard error over events, among policies that a bundle may"
        f" carry, or cash where none of them earned. {short}Sizes follow the hit rate, gain and loss of signals on this"
        " same slice, so they know what they are judged on here; the gate's slice played no part in them."
    )


def _row(run: Run, document: dict[str, Any], periods: Sequence[int]) -> str:
    f, trailing = run.figures, document["trailing_returns"].get(run.name, {})
    cells = (
        escape(run.name) + (" &#9733;" if run.name == document["chosen"] else ""),
        money(f.pnl_pusd),
        f"{f.return_fraction:+.2%}",
        *(f"{trailing[str(period)]:+.2%}" for period in periods),
        number(f.sharpe_day),
        number(f.sharpe_bar),
        f"{f.max_drawdown:.2%}",
        str(f.round_trips),
        "" if f.win_rate is None else f"{f.win_rate:.0%}",
        "" if f.mean_trade_pusd is None else money(f.mean_trade_pusd),
        f"{f.fees_pusd:,.2f}",
        f"{f.mean_exposure:.1%}",
    )
    chosen = " class=chosen" if run.name == document["chosen"] else ""
    return f"<tr{chosen}>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"
