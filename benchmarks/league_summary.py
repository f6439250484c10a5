"""Pooled skill of every row of the league in all data sets at once: worlds of a kind together, recordings each."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.league_row import Row
from pipelines.forecast.accuracy import Errors

PARTS = (
    ("the network, over filter and linear path", "hybrid", "ridge"),
    ("the default's network, over the same", "mlp", "ridge"),
    ("boosting, over the same", "boosting", "ridge"),
    ("the filter, under the hybrid", "hybrid", "hybrid_without_filter"),
    ("displayed sizes, in the hybrid", "hybrid", "hybrid_without_sizes"),
    ("weights that move, over the hybrid", "online_ensemble", "hybrid"),
)
"""A part of a forecaster, the row with it and the row without."""


@dataclass(frozen=True)
class Column:
    """Data sets that are shown together, and their rows: kind -> data set -> one row per training seed."""

    title: str
    rows: dict[str, dict[str, list[Row]]]

    def errors(self, kind: str) -> Errors | None:
        """Squared errors by event, training seeds averaged; None where a data set of the column has no such row."""
        found = self.rows.get(kind, {})
        if set(found) != set(self.rows.get("persistence", {})):
            return None
        sums = [[[row["events"][side] for side in ("forecast", "null")] for row in one] for one in found.values()]
        return Errors(*np.concatenate([np.mean(one, axis=0) for one in sums], axis=1))

    @property
    def about(self) -> str:
        """Numbers of data sets, of training seeds of the hybrid, and of events, as the heading shows them."""
        sets = self.rows.get("persistence", {})
        seeds = max((len(one) for one in self.rows.get("hybrid", sets).values()), default=1)
        events = sum(one[0]["metrics"]["events"] for one in sets.values())
        return f"{len(sets)} / {seeds} / {events}"


def summary(rows: Sequence[Row], titles: dict[str, str]) -> list[str]:
    """Markdown: a table of the synthetic worlds and one of everything else, with what parts add at their ends."""
    groups: dict[str, dict[str, dict[str, list[Row]]]] = {}
    for row in rows:
        groups.setdefault(_group(row), {}).setdefault(row["kind"], {}).setdefault(row["data"], []).append(row)
    columns = [Column(title, groups[title]) for title in sorted(groups, key=_order)]
    synthetic = [one for one in columns if _made(one)]
    recorded = [one for one in columns if not _made(one)]
    return [
        "",
        "## Pooled skill in all data sets",
        "",
        "In per cent, with the 95 % interval over events. Data sets / training seeds of the networks / events are named"
        " under each title; seeds are averaged, worlds of a kind are pooled. The lower part says how many points of"
        " skill a part of a forecaster adds: the row with it less the row without, on the same bars.",
        *(_table("Synthetic worlds", synthetic, titles) if synthetic else []),
        *(_table("Recordings and pulls", recorded, titles) if recorded else []),
    ]


def _group(row: Row) -> str:
    large = ", large protocol" if row["size"] == "large" else ""
    return (f"{row['world']}, edge {row['edge']:g}" if _synthetic(row) else str(row["data"])) + large


def _synthetic(row: Row) -> bool:
    return "edge" in row and not str(row["data"]).endswith("pulled")


def _made(column: Column) -> bool:
    return any(_synthetic(row) for kinds in column.rows.values() for one in kinds.values() for row in one)


def _order(title: str) -> tuple[bool, str, float]:
    world, _, edge = title.partition(", edge ")
    return (world != "reversion", world, -float(edge) if edge.replace(".", "").isdigit() else 0.0)


def _table(title: str, columns: Sequence[Column], titles: dict[str, str]) -> list[str]:
    kinds = [kind for kind in titles if any(kind in one.rows for one in columns) and kind != "persistence"]
    return [
        "",
        f"### {title}",
        "",
        f"| Model | {' | '.join(f'{one.title}<br>{one.about}' for one in columns)} |",
        "|" + "---|" * (len(columns) + 1),
        *(_line(titles[kind], [_skill(one, kind) for one in columns]) for kind in kinds),
        *(
            _line(f"*added by {name}*", [_adds(one, whole, part) for one in columns])
            for name, whole, part in PARTS
            if whole in kinds and part in kinds
        ),
    ]


def _line(name: str, cells: Sequence[str]) -> str:
    return f"| {name} | {' | '.join(cells)} |"


def _skill(column: Column, kind: str) -> str:
    errors = column.errors(kind)
    return "-" if errors is None else _percent(errors.skill, errors.interval(), "")


def _adds(column: Column, whole: str, part: str) -> str:
    one, other = column.errors(whole), column.errors(part)
    if one is None or other is None or len(one.null) != len(other.null) or not np.allclose(one.null, other.null):
        return "-"
    return _percent(one.skill - other.skill, one.interval(other), "+")


def _percent(value: float, interval: tuple[float, float], sign: str) -> str:
    low, high = (f"{100 * side:{sign}.2f}" for side in interval)
    return f"{100 * value:{sign}.2f} [{low}, {high}]".replace("-0.00", "0.00")
