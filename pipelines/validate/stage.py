"""Stage validate: data/raw -> data/quarantine, reports/validation.json and reports/validation.html.

Rows that break a rule are set aside with the rule (`quarantine`), and later stages leave them out. What is kept has to
meet every expectation of Great Expectations (`suite`): there are enough rows, they follow each other, prices move. A
broken one stops the line, and so does too large a share of rows set aside. Figures far from those of the last nights
are warnings (`history`). Bars are read by groups of markets, so memory does not grow with the venue.
"""

import html
import io
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.core import artifacts, log, lookback, raw_tables
from pipelines.core.errors import DataError
from pipelines.core.params import Params, load
from pipelines.core.products import QUARANTINE, RAW, report_json, report_page
from pipelines.core.settings import Settings
from pipelines.validate import distribution, facts, history, quarantine, suite
from pipelines.validate.quarantine import REASON, Split
from pipelines.validate.suite import Check

PULLED = report_json("pull")
REPORT = report_json("validation")
PAGE = report_page("validation")

WARNINGS = frozenset({"time moves by one bar"})
"""Expectations whose breach is told and stops nothing: features begin anew after a hole."""

_STYLE = (
    ":root{color-scheme:light dark}body{font:15px/1.5 system-ui;margin:0;background:light-dark(#f8fafc,#0a0d13);"
    "color:light-dark(#1b1f24,#dbe1ec)}main{margin:0 auto;max-width:62rem;padding:1.5rem 1rem;overflow-x:auto}"
    "table{border-collapse:collapse;width:100%;margin-bottom:2rem}"
    "td,th{padding:.3rem .6rem;text-align:left;border-bottom:1px solid light-dark(#d5dae0,#1e2635)}"
    ".bad{background:light-dark(#fdecea,#3d1820)}.warn{background:light-dark(#fff6e0,#33290f)}"
)


@dataclass
class Tally:
    """What was read, kept and set aside, table by table, and by which rule."""

    read: Counter[str] = field(default_factory=Counter)
    kept: Counter[str] = field(default_factory=Counter)
    aside: Counter[str] = field(default_factory=Counter)
    rules: dict[str, Counter[str]] = field(default_factory=dict)

    def add(self, table: str, made: Split) -> None:
        """Count one part of a table."""
        self.read[table] += len(made.kept) + len(made.aside)
        self.kept[table] += len(made.kept)
        self.aside[table] += len(made.aside)
        self.rules.setdefault(table, Counter()).update(made.counts)

    def document(self) -> dict[str, Any]:
        """By table: rows read, kept and set aside."""
        return {
            name: {"read": self.read[name], "kept": self.kept[name], "quarantined": self.aside[name]}
            for name in self.read
        }


def run() -> None:
    """Check data/raw.

    Raises:
        DataError: naming every expectation that what is kept does not meet, with the number of rows and examples.
    """
    params, pulled = lookback.decided(load(), RAW), artifacts.read_json(PULLED)
    length_s, as_of_s = int(pulled["length_s"]), int(pulled["as_of_s"])
    tally = Tally()
    with artifacts.replaced_folder(QUARANTINE) as folder:
        markets, tones = _small_tables(folder, tally, as_of_s)
        checks, figures = _bars(folder, markets, length_s, as_of_s, params, tally)
    figures |= {"markets": float(len(markets)), "headlines": float(tally.kept["headlines"]), **tones}
    path = Settings().var / history.FILE
    said = history.warnings(figures, history.earlier(path, pulled["source"]), params.validate_.warn_deviations)
    checks += [_share(name, tally, params) for name in tally.read]
    said += [describe(one) for one in checks if not one.success and one.name in WARNINGS]
    broken = [one for one in checks if not one.success and one.name not in WARNINGS]
    counts = {"markets": len(markets), "bars": tally.kept["bars"], "events": int(markets["event_id"].nunique())}
    document = {
        "success": not broken,
        "counts": counts,
        "rows": tally.document(),
        "quarantine": {table: {name: n for name, n in rules.items() if n} for table, rules in tally.rules.items()},
        "warnings": said,
        "figures": figures,
        "expectations": [asdict(one) for one in checks],
    }
    artifacts.write_json(REPORT, document)
    artifacts.write_bytes(PAGE, page(checks, counts, tally, said).encode())
    if broken:
        raise DataError(
            f"{len(broken)} of {len(checks)} checks of {RAW} failed: {'; '.join(map(describe, broken))}. See {PAGE}"
        )
    history.append(path, pulled["source"], as_of_s, figures)
    logger = log.get("validate")
    for text in said:
        logger.warning("unusual", text=text)
    logger.info("done", checks=len(checks), quarantined=sum(tally.aside.values()), **counts)


def _small_tables(folder: Path, tally: Tally, as_of_s: int) -> tuple[pd.DataFrame, dict[str, float]]:
    """Set aside odd markets, headlines, payouts and spreads; the markets that are kept, and figures of the tone.

    A market whose payout is odd goes with it: nobody could settle it.
    """
    found = quarantine.markets(facts.read_markets(RAW))
    listed = frozenset(found.kept["market_id"])
    paid = quarantine.payouts(facts.read_table(RAW / "payouts.parquet", raw_tables.PAYOUTS), listed)
    odd = set(paid.aside.loc[paid.aside[REASON].eq("payouts lie in [0, 1]"), "market_id"])
    unsettled = found.kept["market_id"].isin(odd).to_numpy()
    found = _joined(found, quarantine.split(found.kept, [("what the market paid is known", unsettled)]))
    news = quarantine.headlines(facts.read_table(RAW / "headlines.parquet", raw_tables.HEADLINES), as_of_s)
    spreads = quarantine.spreads(facts.read_table(RAW / "spreads.parquet", raw_tables.SPREADS))
    for name, made in (("markets", found), ("payouts", paid), ("headlines", news), ("spreads", spreads)):
        tally.add(name, made)
        _write(folder / f"{name}.parquet", made.aside)
    return found.kept, distribution.tone_figures(news.kept)


def _joined(first: Split, second: Split) -> Split:
    aside = pd.concat([first.aside, second.aside], ignore_index=True) if len(second.aside) else first.aside
    return Split(second.kept, aside, first.counts | second.counts)


def _bars(
    folder: Path, markets: pd.DataFrame, length_s: int, as_of_s: int, params: Params, tally: Tally
) -> tuple[list[Check], dict[str, float]]:
    """Bars by groups of markets: set odd ones aside, then expect every rule of what is kept."""
    parts = facts.partitions(RAW)
    listed, phase_s = frozenset(markets["market_id"]), _phase(parts, length_s)
    limits = (length_s, phase_s, as_of_s, params.bars.max_gap_bars)
    needed = lookback.needed(params)
    each: list[list[Check]] = []
    totals, newest, distributions = [], 0, distribution.Distributions()
    with _Growing(folder / "bars.parquet", raw_tables.BARS) as aside:
        for group in _groups(facts.market_counts(parts), params.compute.bars_at_once):
            made = quarantine.bars(facts.read_bars(parts, group), listed, *limits)
            made = _joined(made, quarantine.short(made.kept, needed))
            tally.add("bars", made)
            aside.write(made.aside)
            if len(made.kept) == 0:
                continue
            derived = facts.derive(made.kept, markets, length_s)
            each.append(suite.check(derived, suite.bars_suite(length_s, limits[3]), {"as_of_s": as_of_s}))
            totals.append(facts.per_market(derived))
            distributions.add(derived)
            newest = max(newest, int(derived["ts_s"].max()))
    per_market = pd.concat(totals, ignore_index=True) if totals else facts.per_market(facts.no_bars())
    checks = [
        *_summed(each),
        *suite.check(facts.derive_markets(markets), suite.markets_suite()),
        *suite.check(_whole(per_market, newest, length_s, as_of_s), suite.dataset_suite(params)),
    ]
    bars = float(per_market["bars"].sum())
    figures = {
        "bars": bars,
        "bars_per_market": bars / max(len(per_market), 1),
        "zero_move_share": facts.zero_move_share(per_market),
        "quarantined_share": tally.aside["bars"] / max(tally.read["bars"], 1),
        **distributions.figures(),
    }
    return checks, figures


def _groups(counts: Mapping[str | None, int], bars_at_once: int) -> Iterator[list[str | None]]:
    group: list[str | None] = []
    bars = 0
    for name, count in counts.items():
        if group and bars + count > bars_at_once:
            yield group
            group, bars = [], 0
        group, bars = [*group, name], bars + count
    if group:
        yield group


def _phase(parts: Sequence[Path], length_s: int) -> int:
    """Where on the grid most bars close."""
    found: Counter[int] = Counter()
    for part in parts:
        for batch in pq.ParquetFile(part).iter_batches(columns=["ts_s"]):
            ts_s = batch["ts_s"].drop_null().to_numpy()
            values, counts = np.unique(ts_s % length_s, return_counts=True)
            found.update(dict(zip(values.tolist(), counts.tolist(), strict=True)))
    return found.most_common(1)[0][0] if found else 0


def _summed(each: Sequence[list[Check]]) -> list[Check]:
    """One outcome per expectation over all groups of markets."""
    return [
        replace(
            same[0],
            success=all(one.success for one in same),
            unexpected=sum(one.unexpected for one in same),
            examples=[text for one in same for text in one.examples][:3],
        )
        for same in zip(*each, strict=True)
    ]


def _whole(per_market: pd.DataFrame, newest_s: int, length_s: int, as_of_s: int) -> pd.DataFrame:
    bars = int(per_market["bars"].sum()) if len(per_market) else 0
    return pd.DataFrame(
        {
            "markets": [len(per_market)],
            "zero_move_share": [facts.zero_move_share(per_market)],
            "bars": [bars],
            "shortest_market": [int(per_market["bars"].min()) if len(per_market) else 0],
            "stale_bars": [float(as_of_s - newest_s) / length_s if bars else float("inf")],
        }
    )


def _share(table: str, tally: Tally, params: Params) -> Check:
    """Whether so few rows of a table were set aside that the rest can be trusted. A single row never stops the line."""
    allowed = max(1.0, params.validate_.max_quarantined_share * tally.read[table])
    seen = f"{tally.aside[table]:,} of {tally.read[table]:,} rows"
    return Check(f"few {table} are set aside", tally.aside[table] <= allowed, seen, 0, [])


class _Growing:
    """A parquet file with the columns of a table and `reason`, written group by group."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self._schema = schema.append(pa.field(REASON, pa.string()))
        self._writer = pq.ParquetWriter(path, self._schema)

    def __enter__(self) -> "_Growing":
        return self

    def __exit__(self, *_: object) -> None:
        self._writer.close()

    def write(self, frame: pd.DataFrame) -> None:
        """Append rows."""
        if len(frame):
            named = frame.astype({"market_id": object})
            self._writer.write_table(pa.Table.from_pandas(named, schema=self._schema, preserve_index=False))


def _write(path: Path, frame: pd.DataFrame) -> None:
    buffer = io.BytesIO()
    frame.to_parquet(buffer, index=False)
    artifacts.write_bytes(path, buffer.getvalue())


def examine(bars: pd.DataFrame, markets: pd.DataFrame, length_s: int, as_of_s: int, params: Params) -> list[Check]:
    """All expectations on frames as they are: of each bar, of each market, and of the whole."""
    derived = facts.derive(bars, markets, length_s)
    per_market = facts.per_market(derived)
    newest = int(derived["ts_s"].max()) if len(derived) else 0
    return [
        *suite.check(derived, suite.bars_suite(length_s, params.bars.max_gap_bars), {"as_of_s": as_of_s}),
        *suite.check(facts.derive_markets(markets), suite.markets_suite()),
        *suite.check(_whole(per_market, newest, length_s, as_of_s), suite.dataset_suite(params)),
    ]


def describe(check: Check) -> str:
    """One clause of the error: the rule, how often it is broken, and examples."""
    seen = (
        f"{check.unexpected} rows, such as {', '.join(check.examples)}" if check.examples else f"saw {check.observed}"
    )
    return f"{check.name} ({seen})"


def page(checks: list[Check], counts: dict[str, int], tally: Tally | None = None, said: Sequence[str] = ()) -> str:
    """A page for people, self-contained: it loads nothing."""
    tally = tally or Tally()
    rows = "".join(
        f"<tr class={'ok' if c.success else 'bad'}><td>{html.escape(c.name)}<td>{'holds' if c.success else 'broken'}"
        f"<td>{c.unexpected}<td>{html.escape(', '.join(c.examples) or c.observed)}</tr>"
        for c in checks
    )
    set_aside = "".join(
        f"<tr><td>{html.escape(table)}<td>{html.escape(rule)}<td>{count:,}</tr>"
        for table, rules in tally.rules.items()
        for rule, count in rules.items()
        if count
    )
    flows = "".join(
        f"<tr><td>{name}<td>{tally.read[name]:,}<td>{tally.kept[name]:,}<td>{tally.aside[name]:,}</tr>"
        for name in tally.read
    )
    warned = "".join(f"<tr class=warn><td>{html.escape(text)}</tr>" for text in said)
    totals = ", ".join(f"{count:,} {name}" for name, count in counts.items())
    return (
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>"
        f"<title>Data checks</title><style>{_STYLE}</style><body><main><h1>Data checks</h1>"
        f"<p>{totals}; {sum(c.success for c in checks)} of {len(checks)} expectations hold.</p>"
        f"<table><tr><th>Expectation on what is kept<th>Verdict<th>Rows against it<th>Seen</tr>{rows}</table>"
        f"<h2>Rows</h2><table><tr><th>Table<th>Read<th>Kept<th>Set aside</tr>{flows}</table>"
        + (f"<h2>Set aside</h2><table><tr><th>Table<th>Rule<th>Rows</tr>{set_aside}</table>" if set_aside else "")
        + (f"<h2>Unusual</h2><table>{warned}</table>" if warned else "")
        + "</main></body></html>\n"
    )
