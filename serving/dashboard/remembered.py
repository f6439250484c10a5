"""What the journal remembers of markets and decisions: for pages after a restart, and of markets long gone.

Blocking: a market is looked for from the newest bar back, and what was read is kept.
"""

from collections.abc import Callable, Iterator, Mapping
from threading import Lock
from typing import Any, Final

import msgspec

from pipelines import decision_record, reasons
from pipelines.core.domain import Direction, Market
from pipelines.core.errors import DataError
from pipelines.core.orders import OrderIntent
from pipelines.decide import Decision, Inputs, Rules
from pipelines.history.journal_reader import JournalReader
from pipelines.trading.risk import Reason, Refusal
from serving.dashboard import state_json
from serving.dashboard.market_records import DECISIONS, FORECASTS, PRICES, Record

AT_ONCE: Final = 240
"""Bars that one question to the journal reads."""
KEPT: Final = 100
"""Markets whose past is kept after it was read."""
RECENT_BARS: Final = 240
"""Newest bars in which the last decisions are looked for."""

RulesOf = Callable[[str], Rules | None]
"""Bundle hash -> its rules where that bundle decides now; the reason of a hold cannot be worked out for others."""


class Remembered:
    """Records of markets as the journal has them, whoever decided them."""

    def __init__(self, opened: Callable[[], JournalReader], rules_of: RulesOf) -> None:
        self._opened, self._rules_of = opened, rules_of
        self._lock = Lock()
        self._records: dict[str, tuple[int, Record | None]] = {}
        self._seen: dict[bytes | str, int] = {}
        """Short market id -> market time of the newest bar that decided it, of all bars that were looked through."""
        self._newest_s, self._oldest_s = -1, 2**62

    def of(self, market_id: str, dropped: int = 0) -> Record | None:
        """The past of a market; None where no bar that the journal keeps decided it. It is read anew when `dropped`,
        the number of markets that the process has forgotten, is another one."""
        with self._lock:
            if self._records.get(market_id, (-1,))[0] != dropped:
                try:
                    reader = self._opened()
                except DataError:  # no bar was decided yet
                    return None
                try:
                    self._records[market_id] = (dropped, self._read(reader, market_id))
                finally:
                    reader.close()
                while len(self._records) > KEPT:
                    self._records.pop(next(iter(self._records)))
            return self._records[market_id][1]

    def recent(self, most: int) -> list[dict[str, Any]]:
        """The newest decisions that ordered or were refused, newest first, as `state_json.decision`."""
        try:
            reader = self._opened()
        except DataError:
            return []
        try:
            found, bars = [], reader.newest_bars(2**62, RECENT_BARS)
            for _, content, *_ in reversed(bars):
                reader.markets.update(_descriptions(content))
            for ts_s, content, *_ in bars:
                bar = _unpacked(content, reader.markets)
                for one, row in _decided(bar) if bar is not None else ():
                    made = _decision(ts_s, row)
                    if made.intent is not None or made.refusal is not None:
                        found.append(state_json.decision(made, one.market, bool(row["armed"])))
                if len(found) >= most:
                    break
            return found[:most]
        finally:
            reader.close()

    # Where a market is

    def _last_seen(self, reader: JournalReader, market_id: str) -> int | None:
        short = decision_record.short_id(market_id)
        self._look_through(reader, 2**62, down_to=self._newest_s, until=None)
        if short not in self._seen:
            self._look_through(reader, self._oldest_s, down_to=-1, until=short)
        return self._seen.get(short)

    def _look_through(self, reader: JournalReader, before_s: int, *, down_to: int, until: bytes | str | None) -> None:
        """Note which markets the bars before a time decided, newest first, down to a time or until one is found."""
        for ts_s, content, *_ in _bars(reader, before_s):
            if ts_s <= down_to:
                return
            try:
                ids = decision_record.roll(content).ids
            except decision_record.OtherFormat:
                ids = []
            for name in ids:
                self._seen[name] = max(ts_s, self._seen.get(name, -1))
            self._newest_s, self._oldest_s = max(self._newest_s, ts_s), min(self._oldest_s, ts_s)
            # The first look ends at once: later ones go on where it ended.
            if until in ids or (until is None and down_to < 0):
                return

    # What was seen of it

    def _read(self, reader: JournalReader, market_id: str) -> Record | None:
        last_s = self._last_seen(reader, market_id)
        if last_s is None:
            return None
        market = _described(reader, market_id, last_s)
        if market is None:
            return None
        record, missed, bars = Record(market), 0, 0
        for ts_s, content, bundle, session in _bars(reader, last_s + 1):
            bar = _unpacked(content, {market_id: market}, market_id)
            if bar is None or not bar.inputs:
                missed += 1
                if missed > AT_ONCE:  # it was not followed before
                    break
                continue
            one = bar.inputs[0]
            record.prices.appendleft((ts_s, one.bar.mid_units, one.quote.bid_units, one.quote.ask_units))
            record.newest = record.newest or one
            if one.warm and len(record.forecasts) < FORECASTS:
                record.forecasts.appendleft((ts_s, one.bar.mid_units, one.forecast))
            if len(record.decisions) < DECISIONS:
                limits, rules = reader.limits.get((session, bundle)), self._rules_of(bundle)
                in_force = limits.around(rules) if limits is not None and rules is not None else rules
                record.decisions.extend(_shown(bar, one, ts_s, in_force))
            bars += 1
            if bars == PRICES:
                break
        return record


def joined(past: Record | None, record: Record | None) -> Record | None:
    """What the journal remembers of a market, and after it what this process has seen."""
    if past is None or record is None:
        return record or past
    first_s = record.prices[0][0] if record.prices else 2**62
    made = Record(record.market, newest=record.newest or past.newest)
    made.prices.extend([*(row for row in past.prices if row[0] < first_s), *record.prices])
    made.forecasts.extend([*(row for row in past.forecasts if row[0] < first_s), *record.forecasts])
    before = (row for row in past.decisions if row["ts_s"] < first_s)
    made.decisions.extend([*record.decisions, *before][:DECISIONS])
    return made


def _bars(reader: JournalReader, before_s: int) -> Iterator[tuple[int, bytes, str, int]]:
    """Bars whose inputs are kept, newest first, a part at a time."""
    while rows := reader.newest_bars(before_s, AT_ONCE):
        yield from rows
        before_s = rows[-1][0]


def _described(reader: JournalReader, market_id: str, last_s: int) -> Market | None:
    """Static data of a market: of what was traded, else of the newest bars that decided it."""
    for _, content, *_ in reader.newest_bars(last_s + 1, 2 * decision_record.DESCRIBE_EVERY):
        if market_id in reader.markets:
            break
        reader.markets.update(_descriptions(content))
    return reader.markets.get(market_id)


def _descriptions(content: bytes) -> dict[str, Market]:
    try:
        return decision_record.roll(content).described()
    except decision_record.OtherFormat:
        return {}


def _unpacked(content: bytes, markets: dict[str, Market], only: str | None = None) -> decision_record.DecidedBar | None:
    try:
        return decision_record.unpack(content, markets, only)
    except decision_record.OtherFormat:
        return None


def _decided(bar: decision_record.DecidedBar) -> Iterator[tuple[Inputs, Mapping[str, Any]]]:
    for one in bar.inputs:
        row = bar.decisions.get(one.market.market_id)
        if row is not None:
            yield one, row


def _decision(ts_s: int, row: Mapping[str, Any]) -> Decision:
    """The decision of a row (`serving.account.journal.decision_row`)."""
    intent, other = (
        msgspec.json.decode(text, type=OrderIntent) if text else None for text in (row["intent"], row.get("other"))
    )
    refusal = Refusal(Reason(row["refusal"]), row["detail"]) if row["refusal"] in {*Reason} else None
    wish = Direction(row["direction"])
    return Decision(
        ts_s, row["market_id"], row["action"], wish, row["fraction"], intent, refusal, row["confidence"], (), other
    )


def _shown(bar: decision_record.DecidedBar, one: Inputs, ts_s: int, rules: Rules | None) -> Iterator[dict[str, Any]]:
    for _, row in _decided(bar):
        made = _decision(ts_s, row)
        held = bar.account.positions.get(one.market.market_id)
        yield {
            "ts_s": ts_s,
            "action": made.wish,
            "acting": made.intent is not None,
            "armed": bool(row["armed"]),
            "refusal": row["refusal"],
            "why": row["detail"] if row["refusal"] else reasons.reason(one, held, made, rules),
            "confidence": made.confidence,
        }
