"""What raw frames tell of their markets: listed and ended markets of the recorder's lines, and the venue's messages of
new and of resolved markets.

A market whose rule is not known here is left out: by the name of its series it would be priced like the old rule.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

import pyarrow as pa

from pipelines.core.errors import DataError
from pipelines.core.settlement import Settlement
from pipelines.pull import recorded_rules
from pipelines.venue import settlement_rules

TOLD: Final = ("new_market", "market_resolved")
"""Messages of the market channel that tell of a market."""
FACTS: Final = pa.schema(
    [
        ("market_id", pa.string()),
        ("token_yes", pa.string()),
        ("question", pa.string()),
        ("slug", pa.string()),
        ("event", pa.string()),
        ("end_date", pa.int64()),
        ("settlement", pa.string()),
        ("resolved_price", pa.float64()),
    ]
)


@dataclass(slots=True)
class _Facts:
    token_yes: str | None = None
    question: str | None = None
    slug: str | None = None
    event: str | None = None
    end_date: int | None = None
    settlement: str | None = None
    resolved_price: float | None = None


class Markets:
    """Takes messages about markets one by one. Of two that differ the later one counts."""

    def __init__(self) -> None:
        self._facts: dict[str, _Facts] = {}
        self.refused: dict[str, str] = {}
        """Market id -> why it is left out."""
        self.left_out = Counter[str]()

    def __len__(self) -> int:
        return len(self._facts)

    def take(self, message: Mapping[str, Any]) -> None:
        """Add what a message says of a market."""
        kind = message.get("event_type")
        if kind is None:
            for name, add in (("markets", self._listed), ("ended", self._ended)):
                lines = message.get(name)
                for one in lines if isinstance(lines, list) else ():
                    self._named(one, "market_id", add)
        else:
            self._named(message, "market", self._new if kind == "new_market" else self._resolved)

    def _named(self, one: Any, key: str, add: Any) -> None:
        name = one.get(key) if isinstance(one, Mapping) else None
        if isinstance(name, str) and name:
            add(name, one, self._facts.setdefault(name, _Facts()))
        else:
            self.left_out["listed markets without an id"] += 1

    def _listed(self, name: str, one: Mapping[str, Any], facts: _Facts) -> None:
        facts.token_yes = _text(one.get("token_id")) or facts.token_yes
        facts.question = _text(one.get("question")) or facts.question
        facts.event = _text(one.get("event")) or facts.event
        end_s, rule = one.get("end_s"), one.get("settlement")
        facts.end_date = end_s if isinstance(end_s, int) else facts.end_date
        try:
            Settlement.parse(rule if isinstance(rule, str | None) else str(rule))
        except DataError as error:
            self.refused[name] = str(error)
        else:
            facts.settlement = rule or facts.settlement

    def _ended(self, _name: str, one: Mapping[str, Any], facts: _Facts) -> None:
        payout = one.get("payout")
        if isinstance(payout, int) and 0 <= payout <= 1_000_000:
            facts.resolved_price = payout / 1e6

    def _new(self, name: str, one: Mapping[str, Any], facts: _Facts) -> None:
        event = one.get("event_message")
        facts.token_yes = _first(one) or facts.token_yes
        facts.question = _text(one.get("question")) or facts.question
        facts.slug = _text(one.get("slug")) or facts.slug
        facts.event = _text(event.get("slug")) if isinstance(event, Mapping) else facts.event
        by_date = settlement_rules.of_slug(facts.slug or "")
        facts.end_date = facts.end_date if by_date is None else by_date.end_s
        try:
            rule = recorded_rules.of_text(one, facts.end_date, None)
        except settlement_rules.UnknownRule as error:
            self.refused[name] = f"unknown settlement rule: {error}"
            return
        self.refused.pop(name, None)
        facts.settlement = facts.settlement if rule is None else rule.text()

    def _resolved(self, _name: str, one: Mapping[str, Any], facts: _Facts) -> None:
        facts.token_yes = _first(one) or facts.token_yes
        winner = _text(one.get("winning_asset_id"))
        if winner is not None and facts.token_yes is not None:
            facts.resolved_price = float(winner == facts.token_yes)

    def table(self) -> pa.Table:
        """A row per market that is not left out, with the columns of FACTS."""
        rows = [{"market_id": name, **asdict(one)} for name, one in self._facts.items() if name not in self.refused]
        return pa.Table.from_pylist(rows, schema=FACTS)


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _first(one: Mapping[str, Any]) -> str | None:
    """The YES token: the first of the market's two."""
    for key in ("assets_ids", "clob_token_ids"):
        tokens = one.get(key)
        if isinstance(tokens, list) and tokens:
            return _text(tokens[0])
    return None
