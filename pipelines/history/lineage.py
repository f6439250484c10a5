"""Where a bundle came from, and what it decided: the archive var/lineage/<hash> and the journal, read.

The archive is written by `flows.lineage` when a night has made a bundle: `lineage.json` (commit, MLflow run, window,
hashes of data and code), and the very `dvc.lock`, `params.yaml` and `window.json` of that night.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pipelines.core.artifacts import read_json
from pipelines.core.errors import DataError
from pipelines.history.journal_reader import JournalReader, LiveBar
from pipelines.inference import champion_record

DOCUMENT = "lineage.json"
FEWEST_LETTERS = 6
"""Of a hash, an order id or a market id that is not given whole."""


def archive(var: Path) -> Path:
    """Folder with a folder per bundle."""
    return var / "lineage"


def origin(var: Path, bundle_hash: str) -> dict[str, Any]:
    """What the archive knows of a bundle, with where its files lie; `archived` is false where it knows nothing."""
    folder = archive(var) / bundle_hash
    known = read_json(folder / DOCUMENT) if (folder / DOCUMENT).is_file() else {}
    files = {path.name: str(path) for path in sorted(folder.glob("*")) if path.name != DOCUMENT}
    return {
        "bundle": bundle_hash,
        "archived": bool(known),
        **known,
        "files": files,
        "changes": _changes(var, bundle_hash),
    }


def _changes(var: Path, bundle_hash: str) -> list[dict[str, Any]]:
    """When the bundle was promoted, deployed, rolled back or retired on this machine."""
    lines = champion_record.history(var)
    return [
        {name: line.get(name) for name in ("at", "event", "reason", "mlflow_version")}
        for line in lines
        if line["hash"] == bundle_hash or line.get("withdrawn") == bundle_hash
    ]


def bundle_named(var: Path, journaled: Mapping[str, Any], prefix: str) -> str:
    """The one bundle of archive, champions and journal whose hash begins so.

    Raises:
        DataError: if none does, or more than one.
    """
    archived = [path.name for path in archive(var).glob("*") if path.is_dir()]
    known = sorted({*archived, *journaled, *(line["hash"] for line in champion_record.history(var))})
    return _only(prefix, known, "a bundle that was archived, promoted or traded here")


def decision(reader: JournalReader, text: str) -> dict[str, Any]:
    """A decision of the journal: of an order id, of a fill id, or of MARKET@TIME (seconds or ISO 8601, with the
    milliseconds of a decision between two bars).

    Raises:
        DataError: saying what was given and what would be understood, where nothing or more than one thing is meant.
    """
    if "@" in text:
        market, _, when = text.partition("@")
        market_ms = _milliseconds(when)
        bar = reader.turn_at_ms(market_ms)
        if bar is None:
            what = f"no bar was decided at {when} (market time {market_ms / 1_000:.15g}), and nothing else"
            raise DataError(f"{what}; {_span(reader)}")
        market_id = _only(market, sorted(bar.decisions), f"a market that was decided at {when}")
        orders = [row for row in reader.orders_of(bar) if row["market_id"] == market_id]
        return _decision(reader, bar, market_id, orders)
    order = _order(reader, text)
    bar = reader.turn_at(order["ts_s"], order.get("after_ms", 0))
    if bar is None:
        raise DataError(f"order {order['order_id']} was placed by {_unheld(order)}")
    return _decision(reader, bar, order["market_id"], [order])


def _unheld(order: Mapping[str, Any]) -> str:
    if order.get("after_ms", 0):
        return "a decision between two bars that the journal does not hold; the bot ended before it was written"
    return "a bar that the journal no longer holds"


def _order(reader: JournalReader, text: str) -> Mapping[str, Any]:
    orders = {row["order_id"]: row for row in reader.every_order()}
    fills = {fill["fill_id"]: order_id for order_id, rows in reader.fills().items() for fill in rows}
    name = fills.get(text) or _only(text, sorted(orders), "the id of an order or fill, or MARKET@TIME,")
    return orders[name]


def _decision(reader: JournalReader, bar: LiveBar, market_id: str, orders: list[Mapping[str, Any]]) -> dict[str, Any]:
    made = dict(bar.decisions.get(market_id, {}))
    names = ("action", "direction", "fraction", "confidence", "refusal", "detail", "intent", "other", "armed")
    fills = reader.fills()
    return {
        "decision": name_of(market_id, *bar.at),
        "account": reader.account,
        "market_id": market_id,
        "ts_s": bar.ts_s,
        "after_ms": bar.after_ms,
        "at": _iso(bar.ts_s + bar.after_ms / 1_000),
        "bundle": bar.bundle,
        **{name: made.get(name) for name in names},
        "orders": [_order_document(row, fills.get(row["order_id"], [])) for row in orders],
    }


def _order_document(row: Mapping[str, Any], fills: list[Mapping[str, Any]]) -> dict[str, Any]:
    names = ("order_id", "side", "outcome", "price_units", "shares_micro", "state", "reason")
    parts = ("fill_id", "price_units", "shares_micro", "fee_micro", "ts_s")
    return {name: row[name] for name in names} | {"fills": [{name: one[name] for name in parts} for one in fills]}


def decided_by(reader: JournalReader, bundle_hash: str) -> dict[str, Any]:
    """What a bundle decided: bars and turns between them, their span, and each decision that placed orders, as
    `decision` understands it."""
    turns = reader.turns_of(bundle_hash)
    times = [ts_s for ts_s, after_ms in turns if not after_ms]
    orders: dict[str, list[str]] = {}
    for row in reader.every_order():
        at = (row["ts_s"], row.get("after_ms", 0))
        if at in turns:
            orders.setdefault(name_of(row["market_id"], *at), []).append(row["order_id"])
    return {
        "bars": len(times),
        "between_bars": len(turns) - len(times),
        "first": _iso(min(times)) if times else None,
        "last": _iso(max(times)) if times else None,
        "decisions": [{"decision": name, "orders": ids} for name, ids in orders.items()],
    }


def name_of(market_id: str, ts_s: int, after_ms: int = 0) -> str:
    """The name of a decision: its market and market time, with milliseconds where that is between two bars.

    >>> name_of("0xab", 1_767_300_000), name_of("0xab", 1_767_300_000, 1_250)
    ('0xab@1767300000', '0xab@1767300001.250')
    """
    if not after_ms:
        return f"{market_id}@{ts_s}"
    seconds, ms = divmod(ts_s * 1_000 + after_ms, 1_000)
    return f"{market_id}@{seconds}.{ms:03d}"


def _only(prefix: str, known: list[str], what: str) -> str:
    """The one name that is or begins with what was given."""
    found = [name for name in known if name == prefix] or [
        name for name in known if len(prefix) >= FEWEST_LETTERS and name.startswith(prefix)
    ]
    if len(found) == 1:
        return found[0]
    many = f"it is the beginning of {len(found)}" if found else "there is none"
    raise DataError(f"{prefix!r} is not {what}: {many}; give it whole, or at least {FEWEST_LETTERS} letters of it")


def _milliseconds(text: str) -> int:
    if found := re.fullmatch(r"(\d+)(?:\.(\d{1,3}))?", text):
        return int(found[1]) * 1_000 + int((found[2] or "").ljust(3, "0"))
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        raise DataError(f"the time was {text!r}; give Unix seconds, or such as 2026-01-10T12:00:00+00:00") from None
    return round((when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp() * 1_000)


def _iso(ts_s: float) -> str:
    return datetime.fromtimestamp(ts_s, UTC).isoformat()


def _span(reader: JournalReader) -> str:
    times = [row[0] for row in reader.equity()]
    return f"the journal holds bars from {_iso(times[0])} to {_iso(times[-1])}"


def lines(document: Mapping[str, Any]) -> Iterator[str]:
    """The answer for people."""
    for name, value in document.items():
        if isinstance(value, dict) and value:
            yield f"{name}:"
            yield from (f"  {line}" for line in lines(value))
        elif isinstance(value, list) and value:
            yield f"{name}:"
            yield from (f"  {_row(one)}" for one in value)
        else:
            yield f"{name:<12} {'none' if value in (None, [], {}, '') else value}"


def _row(one: Any) -> str:
    if not isinstance(one, dict):
        return str(one)
    return ", ".join(f"{name} {value}" for name, value in one.items() if value not in (None, "", [], {}))
