"""The page of `benchmarks.risk` for readers."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

CLAIM: Final = 0.10
PAGE: Final = Path("docs/results/risk.md")
TITLES: Final = {
    "historical": "Historical simulation (one scale for all)",
    "persistence": "Price stays, local volatility",
    "garch": "Price stays, GARCH(1, 1)",
    "filter_local": "Filter, local volatility",
    "filter_garch": "Filter, GARCH(1, 1) of its surprises",
    "ssm": "Filter with the interval that ships",
    "mlp": "**Default forecaster** with the interval that ships",
    "garch_lstm": "**GARCH-LSTM** with the interval that ships",
}


def page(rows: Sequence[dict[str, Any]]) -> str:
    """Markdown: what is measured, a table for every data set."""
    lines = [
        "# Value at risk",
        "",
        "The change of a YES price over h bars that is undercut with a probability of 1 or 5 %. Models differ in mean"
        " and scale; the quantile of the standardised changes is that of the calibration slice for every model"
        " (filtered historical simulation), and the later slices judge, at every h-th bar of each market at the most."
        " Kupiec: p-value of the share of exceedances being the stated one. Christoffersen: p-value of exceedances of a"
        " market not following each other. Both take bars of different markets as independent, which markets of one"
        " event are not: the interval of the share draws whole events. Gain: 1 - pinball loss in price over that of the"
        " other model, on the same bars, [95 % over events]. The interval that ships is as wide as two GARCH variances"
        " (of returns and of the filter's surprises), volume, price and time left say"
        " (`pipelines/inference/variance.py`), where that surely describes the errors better. Made by"
        " `python -m benchmarks.risk`.",
        "",
        f"The guide claims that a GARCH-LSTM improves value at risk by 10 %. {_claim(rows)}The model with the least"
        " loss, and what it gains [95 %, events]:",
        "",
        "| Data | h, level | Model | over GARCH alone | over local volatility |",
        "|---|---|---|---|---|",
        *(line for row in sorted(rows, key=lambda one: str(one["data"])) for line in _best(row)),
    ]
    for row in sorted(rows, key=lambda one: str(one["data"])):
        lines += _tables(row)
    return "\n".join([*lines, ""])


def _claim(rows: Sequence[dict[str, Any]]) -> str:
    """In how many of the measured figures GARCH-LSTM reached the 10 % that the guide claims."""
    found = [
        figures for row in rows if "garch_lstm" in row["models"] for figures in row["models"]["garch_lstm"].values()
    ]
    if not found:
        return ""
    said = []
    for other, named in (("garch", "GARCH alone"), ("persistence", "the price that stays with a local volatility")):
        gains = [one[f"gain_over_{other}"] for one in found]
        reached, surely = (sum(gain[at] >= CLAIM for gain in gains) for at in (0, 1))
        said.append(f"over {named} in {reached} of {len(gains)} (with the whole interval in {surely})")
    return (
        f"Here it gains as much {said[0]}, and {said[1]}. Its interval is that of the filter and the predicted variance"
        " wherever its own quantiles score no better, so the two mostly agree: what gains is the variance. "
    )


def _tables(row: dict[str, Any]) -> list[str]:
    lines = [
        "",
        f"## {row['data']}",
        "",
        "| h, level | Model | Exceeded [95 %] | Kupiec p | Christoffersen p | Pinball loss x 10,000 | Gain over GARCH |"
        " Gain over price stays, local volatility |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for key in next(iter(row["models"].values())):
        horizon, level = key.split()
        for name, figures in row["models"].items():
            lines.append(_line(f"{horizon}, {100 * float(level):g} %", TITLES[name], figures[key]))
    return lines


def _best(row: dict[str, Any]) -> list[str]:
    lines = []
    for key in next(iter(row["models"].values())):
        horizon, level = key.split()
        name = min(row["models"], key=lambda one: row["models"][one][key]["loss"])
        figures = row["models"][name][key]
        gains = (_gain(figures["gain_over_garch"]), _gain(figures["gain_over_persistence"]))
        where = f"{row['data']} | {horizon}, {100 * float(level):g} %"
        lines.append(f"| {where} | {TITLES[name]} | {' | '.join(gains)} |")
    return lines


def _gain(values: list[float]) -> str:
    return "{:+.1f} % [{:+.1f}, {:+.1f}]".format(*(100 * value for value in values))


def _line(where: str, title: str, one: dict[str, Any]) -> str:
    low, high = one["exceeded_interval"]
    gains = (_gain(one[f"gain_over_{other}"]) for other in ("garch", "persistence"))
    cells = (
        where, title, f"{100 * one['exceeded']:.2f} % [{100 * low:.2f}, {100 * high:.2f}]", _p(one["kupiec_p"]),
        _p(one["christoffersen_p"]), f"{10_000 * one['loss']:.3f}", *gains,
    )  # fmt: skip
    return "| " + " | ".join(cells) + " |"


def _p(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"{value:.3f}"
