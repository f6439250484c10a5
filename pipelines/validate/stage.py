"""Stage validate: data/raw -> reports/validation.json and reports/validation.html; a broken rule stops the line."""

import html
from dataclasses import asdict

import pandas as pd

from pipelines.core import artifacts, log
from pipelines.core.errors import DataError
from pipelines.core.params import Params, load
from pipelines.core.products import RAW, report_json, report_page
from pipelines.validate import facts, suite
from pipelines.validate.suite import Check

PULLED = report_json("pull")
REPORT = report_json("validation")
PAGE = report_page("validation")

_STYLE = (
    "body{font:15px/1.5 system-ui;margin:2rem auto;max-width:60rem;color:#1b1f24}"
    "table{border-collapse:collapse;width:100%}"
    "td,th{padding:.3rem .6rem;text-align:left;border-bottom:1px solid #d5dae0}"
    ".bad{background:#fdecea}"
)


def run() -> None:
    """Check data/raw.

    Raises:
        DataError: naming every rule that is broken, with the number of rows and examples.
    """
    pulled = artifacts.read_json(PULLED)
    bars, markets = facts.read_bars(RAW), facts.read_markets(RAW)
    checks = examine(bars, markets, pulled["length_s"], pulled["as_of_s"], load())
    broken = [c for c in checks if not c.success]
    counts = {"markets": len(markets), "bars": len(bars), "events": int(markets["event_id"].nunique())}
    artifacts.write_json(REPORT, {"success": not broken, "counts": counts, "expectations": [asdict(c) for c in checks]})
    artifacts.write_bytes(PAGE, page(checks, counts).encode())
    if broken:
        raise DataError(
            f"{len(broken)} of {len(checks)} checks of {RAW} failed: {'; '.join(map(describe, broken))}. See {PAGE}"
        )
    log.get("validate").info("done", checks=len(checks), **counts)


def examine(bars: pd.DataFrame, markets: pd.DataFrame, length_s: int, as_of_s: int, params: Params) -> list[Check]:
    """All outcomes: of each bar, of each market, and of the whole."""
    derived = facts.derive(bars, markets, length_s)
    per_market = facts.per_market(derived)
    whole = pd.DataFrame(
        {
            "markets": [len(per_market)],
            "zero_move_share": [facts.zero_move_share(per_market)],
            "bars": [len(derived)],
            "shortest_market": [int(per_market["bars"].min()) if len(per_market) else 0],
            "stale_bars": [float(as_of_s - derived["ts_s"].max()) / length_s if len(derived) else float("inf")],
        }
    )
    return [
        *suite.check(derived, suite.bars_suite(length_s, params.bars.max_gap_bars), {"as_of_s": as_of_s}),
        *suite.check(facts.derive_markets(markets), suite.markets_suite()),
        *suite.check(whole, suite.dataset_suite(params)),
    ]


def describe(check: Check) -> str:
    """One clause of the error: the rule, how often it is broken, and examples."""
    seen = (
        f"{check.unexpected} rows, such as {', '.join(check.examples)}" if check.examples else f"saw {check.observed}"
    )
    return f"{check.name} ({seen})"


def page(checks: list[Check], counts: dict[str, int]) -> str:
    """A page for people, self-contained: it loads nothing."""
    rows = "".join(
        f"<tr class={'ok' if c.success else 'bad'}><td>{html.escape(c.name)}<td>{'holds' if c.success else 'broken'}"
        f"<td>{c.unexpected}<td>{html.escape(', '.join(c.examples) or c.observed)}</tr>"
        for c in checks
    )
    totals = ", ".join(f"{count:,} {name}" for name, count in counts.items())
    return (
        f"<!doctype html><meta charset=utf-8><title>Data checks</title><style>{_STYLE}</style><h1>Data checks</h1>"
        f"<p>{totals}; {sum(c.success for c in checks)} of {len(checks)} rules hold.</p>"
        f"<table><tr><th>Rule<th>Verdict<th>Rows that break it<th>Seen</tr>{rows}</table>\n"
    )
