"""Settlement rules from the texts of an archive, as a listing's text gives them."""

from collections.abc import Iterable, Mapping
from typing import Any

from pipelines.core import log
from pipelines.core.settlement import Settlement
from pipelines.venue import settlement_rules


def of_text(raw: Mapping[str, Any], end_s: int | None, event_start_s: int | None) -> Settlement | None:
    """`settlement_rules.read`; where the archive has no end, that of the slug counts. None where it keeps no text of
    the market, whose rule is then that of its name and date."""
    text = raw.get("description")
    if not isinstance(text, str) or not text.strip():
        return None
    by_date = settlement_rules.of_slug(str(raw.get("slug") or ""))
    end_s = by_date.end_s if end_s is None and by_date is not None else end_s
    return settlement_rules.read(raw, end_s, event_start_s)


def of_texts(rows: Iterable[tuple[Any, ...]]) -> tuple[dict[str, Settlement], list[str]]:
    """Rules of markets by their names, and the markets whose text is not known: by the name of their series they would
    be priced like the old rule. Rows are (market, slug, question, description, source, end in ms, begin in ms)."""
    found: dict[str, Settlement] = {}
    unknown: list[str] = []
    for name, slug, question, description, source, end_ms, start_ms in rows:
        raw = {
            "slug": slug or name,
            "question": question or name,
            "description": description,
            "resolutionSource": source,
        }
        seconds = (None if ms is None else int(ms) // 1_000 for ms in (end_ms, start_ms))
        try:
            rule = of_text(raw, *seconds)
        except settlement_rules.UnknownRule as error:
            log.get("pull").warning("market left out", market=name, reason=f"unknown settlement rule: {error}")
            unknown.append(name)
        else:
            found |= {} if rule is None else {name: rule}
    return found, unknown
