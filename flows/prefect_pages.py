"""What the Prefect UI shows of a night: parity, validation, forecast, backtest, gate and drift, read from
reports/*.json.

The texts are plain functions of the reports; a report that is missing or of another shape shows nothing and stops
nothing.
"""

import base64
import csv
import math
import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from prefect import get_run_logger
from prefect.artifacts import create_link_artifact, create_markdown_artifact, create_table_artifact

from pipelines.core.artifacts import read_json
from pipelines.core.errors import ArtifactError
from pipelines.core.products import REPORTS
from pipelines.core.settings import Settings
from pipelines.parity import cash

Row = dict[str, Any]


def show(name: str) -> None:
    """Make the artifacts of one report; the reports are the keys of TEXTS."""
    try:
        document = read_json(REPORTS / f"{name}.json")
        text = TEXTS[name](document)
        rows = TABLES[name](document) if name in TABLES else []
    except (ArtifactError, KeyError, TypeError, ValueError) as error:
        get_run_logger().warning("reports/%s.json is not shown: %s", name, error)
        return
    create_markdown_artifact(key=name, markdown=text + _picture(name), description=f"reports/{name}.json")
    if (REPORTS / f"{name}.html").is_file():
        page = f"{Settings().page}/reports/{name}"
        create_link_artifact(key=f"{name}-page", link=page, link_text=f"reports/{name}.html")
    if rows:
        create_table_artifact(key=f"{name}-table", table=rows, description=f"reports/{name}.json")


def show_night(outcome: Mapping[str, Any]) -> None:
    """Make the summary of a night that has ended."""
    create_markdown_artifact(key="night", markdown=night(outcome), description="the night in short")


def night(outcome: Mapping[str, Any]) -> str:
    """Verdict, what it rests on, which bundle trades now, where the rest is, and how long each step took."""
    gate, champion, shadow = outcome["gate"], outcome["champion"], outcome["shadow"]
    trades = (
        f"bundle `{champion['hash'][:12]}` trades"
        if champion
        else "no bundle trades: the bot shows, and orders nothing"
    )
    watched = f"; `{str(shadow['hash'])[:12]}` decides in shadow" if shadow else ""
    replay = outcome["parity"]
    replayed = (
        f"\n\nThe last day decided again: {replay['different']:,} of {replay['decisions']:,} decisions differ, fills "
        f"were better than the backtest's by {replay['cost_gap_pusd']:+,.2f} pUSD."
        if replay
        else ""
    )
    links = " · ".join(
        f"[{'MLflow version' if name == 'mlflow' else 'this run'}]({url})" for name, url in outcome["links"].items()
    )
    reasons = "\n".join(f"* {reason}" for reason in gate["reasons"])
    steps = "\n".join(f"| {name} | {seconds:,.1f} |" for name, seconds in outcome["steps"].items())
    return (
        f"# {gate['verdict'].upper()}\n\n{reasons}\n\nSource {outcome['source']}; {trades}{watched}.{replayed}\n\n"
        f"{links}\n\n"
        f"| step | seconds |\n|---|---|\n{steps}\n"
    )


def _picture(name: str) -> str:
    """The account over the selection slice, drawn into the text itself; empty for other reports."""
    path = REPORTS / "equity.csv"
    if name != "backtest" or not path.is_file():
        return ""
    with path.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.reader(stream))
    drawn = base64.b64encode(curves(rows[0][1:], rows[1:]).encode()).decode()
    return f"\n![equity of each strategy on the selection slice](data:image/svg+xml;base64,{drawn})\n"


def curves(names: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Lines over time as SVG, 720 x 240, random entries in grey; every row has a time and a value per name."""
    step = max(len(rows) // 300, 1)
    columns = [[float(row[k + 1] or "nan") for row in rows[::step]] for k in range(len(names))]
    known = [value for column in columns for value in column if math.isfinite(value)]
    if not known:
        return "<svg xmlns='http://www.w3.org/2000/svg'/>"
    low, high = min(known), max(known)
    scale = 200.0 / ((high - low) or 1.0)
    lines = []
    for name, column in zip(names, columns, strict=True):
        width = 560.0 / max(len(column) - 1, 1)
        points = " ".join(f"{k * width:.1f},{220 - (value - low) * scale:.1f}" for k, value in enumerate(column))
        colour = "#bbb" if name.startswith("random") else f"hsl({hash_of(name)},65%,45%)"
        lines.append(f"<polyline fill='none' stroke='{colour}' points='{points}'><title>{name}</title></polyline>")
        last = 220 - (column[-1] - low) * scale
        if not name.startswith("random"):
            lines.append(f"<text x='566' y='{last:.0f}' font-size='10' fill='{colour}'>{name}</text>")
    return f"<svg xmlns='http://www.w3.org/2000/svg' width='720' height='240'>{''.join(lines)}</svg>"


def hash_of(name: str) -> int:
    """A hue of a name, the same in every process."""
    return zlib.crc32(name.encode()) % 360


def validation(document: Mapping[str, Any]) -> str:
    """Every rule of the data checks and whether it holds."""
    counts = ", ".join(f"{value:,} {name}" for name, value in document["counts"].items())
    rules = "\n".join(
        f"| {rule['name']} | {'holds' if rule['success'] else '**broken**'} | {rule['unexpected']} |"
        for rule in document["expectations"]
    )
    head = "All checks hold" if document["success"] else "Checks failed"
    tables = "\n".join(
        f"| {name} | {row['read']:,} | {row['kept']:,} | {row['quarantined']:,} |"
        for name, row in document.get("rows", {}).items()
    )
    rows = f"\n| table | read | kept | set aside |\n|---|---|---|---|\n{tables}\n" if tables else ""
    said = "".join(f"\n* {text}" for text in document.get("warnings", []))
    warned = f"\nUnusual:\n{said}\n" if said else ""
    return f"# {head}\n\n{counts}\n{rows}{warned}\n| rule | | rows against it |\n|---|---|---|\n{rules}\n"


def forecast(document: Mapping[str, Any]) -> str:
    """Skill against persistence on the selection slice, with its interval."""
    metrics = document.get("selection", document)
    low, high = metrics["skill_price_pooled_interval"]
    first, last = metrics["pooled_horizons"]
    speed = document.get("windows_per_s")
    trained = f"\nTrained on {document['device']} at {speed:,.0f} windows/s.\n" if speed else ""
    return (
        f"# Skill against persistence {metrics['skill_price_pooled']:+.2%}\n\n"
        f"in price units over horizons {first} to {last} (95 % interval {low:+.2%} to {high:+.2%}, "
        f"{metrics['events']} events, {metrics['windows']:,} forecasts of the selection slice)\n{trained}"
    )


def forecast_rows(document: Mapping[str, Any]) -> list[Row]:
    """A row per horizon: errors of the forecast and of persistence, and the coverage of the interval."""
    metrics = document.get("selection", document)
    return [
        {
            "horizon": int(h),
            "skill": round(metrics["skill_price"][h], 4),
            "rmse": round(metrics["rmse"][h], 5),
            "rmse of persistence": round(metrics["rmse_persistence"][h], 5),
            "mape": round(metrics["mape"][h], 4),
            "mape of persistence": round(metrics["mape_persistence"][h], 4),
            "coverage": round(metrics["coverage"][h], 3),
        }
        for h in sorted(metrics["rmse"], key=int)
    ]


def backtest(document: Mapping[str, Any]) -> str:
    """Which policy was chosen, on what."""
    return (
        f"# Chosen: {document['chosen']}\n\n{document['markets']} markets, {document['market_bars']:,} market bars of "
        f"the {document['slice']} slice, {document['cash_pusd']:,} pUSD, after spread, impact and fees.\n"
    )


def backtest_rows(document: Mapping[str, Any]) -> list[Row]:
    """A row per strategy with its plain numbers."""
    return [
        {"strategy": name, **{key: _short(value) for key, value in figures.items() if _is_plain(value)}}
        for name, figures in document["strategies"].items()
    ]


def gate(document: Mapping[str, Any]) -> str:
    """Verdict, reasons and the evidence; the criteria are the table below."""
    reasons = "\n".join(f"* {reason}" for reason in document["reasons"])
    evidence = "\n".join(
        f"| {name} | {_short(value)} |" for name, value in document["evidence"].items() if _is_plain(value)
    )
    named = f"bundle `{str(document['bundle'])[:12]}`"
    table = f"\n\n| evidence | |\n|---|---|\n{evidence}" if evidence else ""
    return f"# {document['verdict'].upper()}\n\n{named}\n\n{reasons}{table}\n"


def gate_rows(document: Mapping[str, Any]) -> list[Row]:
    """A row per criterion: what was measured, its limit, whether it holds; of the policy, and of the forecasts alone
    where these were judged without it."""
    judged = (("policy", document.get("criteria", [])), ("forecasts in cash", document.get("criteria_in_cash", [])))
    return [
        {
            "of": of,
            "criterion": one["name"],
            "holds": one["passed"],
            "value": _short(one["value"]),
            "limit": _short(one["limit"]),
            "in words": one["text"],
        }
        for of, criteria in judged
        for one in criteria
    ]


def parity(document: Mapping[str, Any]) -> str:
    """Whether the last day's decisions are the replay's, and what fills cost compared with the model's."""
    fills, different = document["fills"], document["different"]
    same = "Decisions identical" if document["decisions"] else "No decision could be replayed"
    head = f"{different:,} decisions differ" if different else same
    left_out = "".join(f"* not replayed: {count:,} ({why})\n" for why, count in document["unreplayable"].items())
    return (
        f"# {head}\n\n{document['identical']:,} of {document['decisions']:,} decisions in {document['bars']:,} bars "
        f"came out the same.\n\n{left_out}* {fills['orders']:,} orders: our fills were better than the model's by "
        f"{fills['cost_gap_pusd']:+,.2f} pUSD at the same size\n{_by_exit(fills.get('by_exit_reason', {}))}"
        f"{_cash(document.get('cash', {}))}"
    )


def _cash(found: Mapping[str, Any]) -> str:
    """A row per day: bookings against the venue's cash; a line where nothing was compared yet."""
    rows = "".join(
        f"| {one['day']} | {one['start_pusd']:,.2f} | {_kinds(one['booked_pusd'])} | {one['expected_pusd']:,.2f} "
        f"| {one['venue_pusd']:,.2f} | {one['gap_pusd']:+,.2f} |\n"
        for one in found.get("days", ())
    )
    head = "\n| day | cash before, pUSD | booked | makes | at the venue | gap |\n|---|---|---|---|---|---|\n"
    return f"\n* {cash.lines(found)[0]}\n" + (head + rows if rows else "")


def _kinds(booked: Mapping[str, float]) -> str:
    return ", ".join(f"{kind.replace('_', ' ')} {value:+,.2f}" for kind, value in booked.items()) or "nothing"


def _by_exit(found: Mapping[str, Mapping[str, float]]) -> str:
    """A row per exit reason; empty where nothing was sold."""
    rows = "".join(
        f"| {reason.replace('_', ' ')} | {one['orders']:,} | {one['cost_gap_pusd']:+,.2f} "
        f"| {one['cash_gap_pusd']:+,.2f} |\n"
        for reason, one in found.items()
    )
    head = "\n| sold for | orders | better at our size, pUSD | cash less the model's, pUSD |\n|---|---|---|---|\n"
    return head + rows if rows else ""


def parity_rows(document: Mapping[str, Any]) -> list[Row]:
    """A row per reason why fills differ from the model's."""
    return [{"fills": reason, "orders": count} for reason, count in document["fills"]["reasons"].items()]


def drift(document: Mapping[str, Any]) -> str:
    """Verdict, reasons and the sample."""
    reasons = "\n".join(f"* {reason}" for reason in document["reasons"])
    sample = document["sample"]
    return (
        f"# {document['verdict'].replace('_', ' ').upper()}\n\n{reasons}\n\nbundle `{document['bundle'][:12]}`, "
        f"{sample['bars']:,} recent bars of {sample['markets']} markets; the whole report is reports/drift.html\n"
    )


def drift_rows(document: Mapping[str, Any]) -> list[Row]:
    """A row per column: how far it moved, and how far it moves when nothing happens."""
    return [
        {
            "column": name,
            "group": found["group"],
            "psi": round(found["psi"], 3),
            "quiet": round(found["quiet_psi"], 3),
            "limit": round(found["limit"], 3),
            "decides": found["decides"],
            "drifted": found["drifted"],
        }
        for name, found in document["columns"].items()
    ]


TEXTS: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "parity": parity,
    "validation": validation,
    "forecast": forecast,
    "backtest": backtest,
    "gate": gate,
    "drift": drift,
}
TABLES: dict[str, Callable[[Mapping[str, Any]], list[Row]]] = {
    "parity": parity_rows,
    "forecast": forecast_rows,
    "backtest": backtest_rows,
    "gate": gate_rows,
    "drift": drift_rows,
}
OF_STAGE = {"validate": "validation", "forecast": "forecast", "backtest": "backtest", "gate": "gate"}
"""The report that is shown when a stage is up to date."""


def _is_plain(value: Any) -> bool:
    return isinstance(value, int | float | str | bool) or value is None


def _short(value: Any) -> Any:
    return float(f"{value:.4g}") if isinstance(value, float) else value
