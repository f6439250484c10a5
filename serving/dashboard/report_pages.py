"""What the flows wrote for people: the last night in short, and its reports as pages with a way back."""

import re
from collections.abc import Callable, Mapping
from html import escape
from pathlib import Path
from typing import Any, Final

from pipelines.core.artifacts import read_json
from pipelines.core.errors import ArtifactError
from pipelines.core.products import REPORTS

Document = Mapping[str, Any]

PAGES: Final = {
    "backtest": ("Backtest", "every strategy on the selection slice, after costs"),
    "validation": ("Data checks", "which rules the pulled data keep, and what was set aside"),
    "drift": ("Drift", "whether the newest bars still look like those of the training"),
}
"""Reports with a page of their own: title, and what it shows."""

HEADERS: Final = {
    # A report is code of other libraries: it runs apart from this site, and can ask nobody for anything.
    "Content-Security-Policy": "sandbox allow-scripts allow-popups; default-src 'none'; script-src 'unsafe-inline' "
    "'unsafe-eval'; style-src 'unsafe-inline'; img-src data: blob:; font-src data:; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}

_BAR_STYLE: Final = (
    "display:flex;flex-wrap:wrap;gap:6px 18px;padding:10px 16px;background:#10151e;color:#dbe1ec;"
    "font:13px system-ui,sans-serif;position:relative;z-index:10"
)
_LINK_STYLE: Final = "color:#dbe1ec;text-decoration:none"


def document(reports: Path = REPORTS, var: Path = Path("var")) -> dict[str, Any]:
    """The last night, the newest report of each kind in a few lines, and where everything else is.

    What is missing, or of another shape, is None under its name.
    """
    night = _read(var / "nightly.json")
    return {
        "night": _night(night, var / "nightly.json") if night else None,
        "reports": [
            {
                "name": name,
                "title": title,
                "about": about,
                "page": (reports / f"{name}.html").is_file(),
                **_short(reports / f"{name}.json", SHORT[name]),
            }
            for name, (title, about) in {**PAGES, **OTHERS}.items()
        ],
        "links": _links(night or {}, _read(var / "run.json") or {}),
    }


def page(name: str, reports: Path = REPORTS) -> str | None:
    """A report as it was written, under a bar that leads back; None where there is none of that name."""
    if name not in PAGES:
        return None
    try:
        html = (reports / f"{name}.html").read_text(encoding="utf-8")
    except OSError:
        return None
    bar, opened = _bar(name), re.search(r"<body[^>]*>", html)
    if opened is None:
        # Without a body tag what comes first in the body has to stay after the head.
        place = html.rfind("</style>") + len("</style>") if "</style>" in html else 0
        return html[:place] + bar + html[place:]
    return html[: opened.end()] + bar + html[opened.end() :]


def _bar(name: str) -> str:
    links = [("../", "‹ oddsmith"), ("../reports", "Reports")]
    links += [(key, title) for key, (title, _) in PAGES.items()]
    found = "".join(
        f'<a href="{href}" style="{_LINK_STYLE};{"font-weight:700" if href == name else ""}">{escape(text)}</a>'
        for href, text in links
    )
    return f'<nav aria-label="oddsmith" style="{_BAR_STYLE}">{found}</nav>'


def _night(night: Document, path: Path) -> dict[str, Any]:
    return {
        "ended_s": night.get("ended_s", path.stat().st_mtime),
        "steps": night.get("steps", {}),
        "verdict": night.get("gate", {}).get("verdict"),
        "reasons": night.get("gate", {}).get("reasons", []),
        "champion": (night.get("champion") or {}).get("hash"),
        "parity": night.get("parity"),
    }


def _links(night: Document, run: Document) -> list[dict[str, str]]:
    """Where Prefect and MLflow show this night; their front pages where the night named none."""
    urls, named = run.get("urls", {}), night.get("links", {})
    found = []
    for name, title, key in (
        ("prefect", "Prefect run of the night", "prefect"),
        ("mlflow", "MLflow version of the bundle", "mlflow"),
    ):
        if url := named.get(key) or urls.get(name):
            found.append({"name": name, "title": title if named.get(key) else title.partition(" ")[0], "url": str(url)})
    return [one for one in found if one["url"].startswith(("http://", "https://"))]


# Reports in short


def _gate(report: Document) -> dict[str, Any]:
    return {
        "verdict": report["verdict"],
        "lines": report["reasons"],
        "rows": [
            {"name": one["name"], "holds": one["passed"], "text": one["text"]} for one in report.get("criteria", [])
        ],
        "bundle": report["bundle"],
    }


def _backtest(report: Document) -> dict[str, Any]:
    rows = [
        {
            "name": name,
            "chosen": name == report["chosen"],
            "pnl_pusd": one["pnl_pusd"],
            "return": one["return_fraction"],
            "max_drawdown": one["max_drawdown"],
            "round_trips": one["round_trips"],
            "win_rate": one["win_rate"],
            "fees_pusd": one["fees_pusd"],
        }
        for name, one in report["strategies"].items()
        if one["kind"] != "random_matched" or name == "random_0"
    ]
    said = f"{report['markets']} markets, {report['slice_days']:.1f} days, {report['cash_pusd']:,} pUSD"
    rows.sort(key=lambda row: -row["pnl_pusd"])
    return {"verdict": report["chosen"], "lines": [said], "strategies": rows}


def _validation(report: Document) -> dict[str, Any]:
    broken = [one["name"] for one in report["expectations"] if not one["success"]]
    aside = sum(one["quarantined"] for one in report.get("rows", {}).values())
    lines = [", ".join(f"{count:,} {name}" for name, count in report["counts"].items())]
    lines += [f"{len(report['expectations']) - len(broken)} of {len(report['expectations'])} rules hold"]
    lines += [f"{aside:,} rows set aside"] if aside else []
    return {
        "verdict": "good" if report["success"] else "broken",
        "lines": [*lines, *(f"broken: {name}" for name in broken), *report.get("warnings", [])],
    }


def _drift(report: Document) -> dict[str, Any]:
    sample = report["sample"]
    moved = [
        {"name": name, "psi": one["psi"], "limit": one["limit"], "drifted": one["drifted"], "decides": one["decides"]}
        for name, one in report.get("columns", {}).items()
    ]
    moved.sort(key=lambda row: (not row["drifted"], not row["decides"], -(row["psi"] or 0.0)))
    said = f"{sample['bars']:,} recent bars of {sample['markets']} markets"
    return {"verdict": report["verdict"], "lines": [*report["reasons"], said], "columns": moved[:8]}


def _parity(report: Document) -> dict[str, Any]:
    fills, different = report["fills"], report["different"]
    exits = fills.get("by_exit_reason", {}).items()
    return {
        "verdict": "differs" if different else "good",
        "lines": [
            f"{report['identical']:,} of {report['decisions']:,} decisions of {report['bars']:,} bars are the same",
            f"{fills['orders']:,} orders: our fills were better than the backtest's by {fills['cost_gap_pusd']:+,.2f} "
            "pUSD",
            *(
                f"{reason.replace('_', ' ')}: {one['orders']:,} sales, better by {one['cost_gap_pusd']:+,.2f} pUSD, "
                f"cash {one['cash_gap_pusd']:+,.2f} pUSD off the model's"
                for reason, one in exits
            ),
            *report.get("cash", {}).get("lines", ()),
        ],
    }


OTHERS: Final = {
    "gate": ("Gate", "the verdict on the newest bundle, criterion by criterion"),
    "parity": ("Parity", "the bot's journal of the last day, decided again"),
}
"""Reports that are shown in short only."""

SHORT: Final[Mapping[str, Callable[[Document], dict[str, Any]]]] = {
    "backtest": _backtest,
    "validation": _validation,
    "drift": _drift,
    "gate": _gate,
    "parity": _parity,
}


def _short(path: Path, read: Callable[[Document], dict[str, Any]]) -> dict[str, Any]:
    report = _read(path)
    try:
        return {"at_s": int(path.stat().st_mtime), "short": read(report) if report else None}
    except (OSError, AttributeError, KeyError, TypeError, ValueError):
        return {"at_s": None, "short": None}


def _read(path: Path) -> dict[str, Any] | None:
    try:
        found = read_json(path)
    except ArtifactError:
        return None
    return found if isinstance(found, dict) else None


def missing(name: str) -> str:
    """What is said where a report is not there: which ones there are, and what makes them."""
    how = {
        "drift": "oddsmith flows run drift",
        "backtest": "oddsmith backtest",
        "validation": "oddsmith stage validate",
    }
    said = (
        f"There is no report <b>{escape(PAGES[name][0])}</b> here yet. <code>{how[name]}</code> makes it."
        if name in PAGES
        else f"There is no report named <b>{escape(name[:40])}</b>; there are {', '.join(PAGES)}."
    )
    return (
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>"
        "<meta name=color-scheme content='light dark'><title>no report</title><style>body{margin:0}</style>"
        f"<body>{_bar(name)}<p style='font:16px system-ui,sans-serif;padding:24px 16px'>{said}</p></html>"
    )
