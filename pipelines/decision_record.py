"""What `decide` saw on one bar, as bytes of the journal: enough to decide it again, bit for bit.

The only writer and the only reader of this format: the live process packs, parity unpacks.
"""

import json
import math
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import msgspec
import numpy as np

from pipelines.core.domain import Bar, FeeSchedule, FloatArray, Forecast, Market, Outcome, Position, Quote, Rewards
from pipelines.core.errors import DataError
from pipelines.core.settlement import Settlement
from pipelines.decide import Account, Inputs, Rules
from pipelines.trading.policies import DeclaredPolicy

FORMAT = 2

GRID = 1 << 16

DECIDED = ("action", "direction", "fraction", "refusal", "detail", "intent", "other", "armed")
"""What a record keeps of a decision; its time, market and confidence are those of the input."""

_SHORT_DIGITS = 12

DESCRIBE_EVERY = 60
"""Bars after which a market is described again, so that a reader finds it within so many bars."""

_LEVEL = 6


NOTHING = Account(
    cash_micro=0,
    equity_micro=0,
    positions={},
    open_buy_micro={},
    markets={},
    day_start_equity_micro=0,
    peak_equity_micro=0,
)
"""The account of a bar that cannot be read."""


class OtherFormat(DataError):
    """A record was written by a program of another version."""


class Packer:
    """Packs bar after bar. A market is described where it is new, has moved, or was not described for a while."""

    def __init__(self) -> None:
        self._described: dict[str, tuple[Market, int]] = {}
        self._bars = 0

    def pack(self, inputs: Sequence[Inputs], account: Account, decisions: Sequence[Mapping[str, Any]] = ()) -> bytes:
        """Inputs of all markets and the account, column by column, compressed; floats to the bit. All were seen at one
        time: they share `after_ms`.

        `decisions` are rows as `decision_row` makes them, one per input and in their order.
        """
        self._bars += 1
        return self._packed(inputs, account, decisions, [one.market for one in inputs if self._is_news(one.market)])

    def pack_between(self, inputs: Sequence[Inputs], account: Account, decisions: Sequence[Mapping[str, Any]]) -> bytes:
        """What was seen between two bars, as `pack`. It describes what no bar has described so far, and who reads bars
        alone misses nothing."""
        known = {market_id: market for market_id, (market, _) in self._described.items()}
        news = [one.market for one in inputs if known.get(one.market.market_id) != one.market]
        return self._packed(inputs, account, decisions, news)

    @staticmethod
    def _packed(
        inputs: Sequence[Inputs], account: Account, decisions: Sequence[Mapping[str, Any]], news: Sequence[Market]
    ) -> bytes:
        document = {
            "format": FORMAT,
            "account": _account_document(account),
            "ids": [short_id(one.market.market_id) for one in inputs],
            "markets": [market_document(one) for one in news],
            "ints": _packed_columns([_integers(one) for one in inputs], "<i8"),
            "floats": _packed_columns([_floats(one) for one in inputs], "<f8"),
            "features": _packed_columns([one.features for one in inputs], "<f8"),
            "forecasts": _packed_forecasts([one.forecast for one in inputs]),
            "decisions": {name: [row[name] for row in decisions] for name in DECIDED} if decisions else {},
            # A record of a close is as before: only decisions between two closes have it.
            **({"after_ms": inputs[0].after_ms} if inputs and inputs[0].after_ms else {}),
        }
        return zlib.compress(msgspec.msgpack.encode(document), _LEVEL)

    def _is_news(self, market: Market) -> bool:
        known = self._described.get(market.market_id)
        # Markets take turns, so that no bar describes them all.
        due = known is not None and self._bars - known[1] >= DESCRIBE_EVERY
        if known is not None and known[0] == market and not due:
            return False
        self._described[market.market_id] = (market, self._bars)
        return True


def pack(inputs: Sequence[Inputs], account: Account) -> bytes:
    """One bar that needs no other to be read: every market is described."""
    return Packer().pack(inputs, account)


def _account_document(account: Account) -> dict[str, Any]:
    return {
        "cash_micro": account.cash_micro,
        "equity_micro": account.equity_micro,
        "positions": dict(account.positions),
        "open_buy_micro": dict(account.open_buy_micro),
        "day_start_equity_micro": account.day_start_equity_micro,
        "peak_equity_micro": account.peak_equity_micro,
        "kill": account.kill,
        "tripped": account.tripped,
        # Most bars have neither: without them a record is as small as before.
        **({"paused": True} if account.paused else {}),
        **({"closing": sorted(account.closing)} if account.closing else {}),
    }


def _integers(one: Inputs) -> tuple[int, ...]:
    bar, quote = one.bar, one.quote
    shown = (quote.bid_units, quote.ask_units, quote.bid_size_micro, quote.ask_size_micro)
    marks = (one.quote_age_s, one.reference_units, one.reference_age_s, int(one.warm))
    return (bar.ts_s, bar.mid_units, bar.volume_micro, bar.n_trades, bar.spread_units, *shown, *marks)


def _floats(one: Inputs) -> tuple[float, ...]:
    implied = (math.nan if value is None else value for value in (one.fair, one.fair_before, one.external))
    return (one.sentiment, one.forecast.confidence, *implied)


def on_grid(odds: FloatArray) -> FloatArray:
    """Forecasts on the grid of 2^-16 log-odds, a fiftieth of a price unit: what the live process decides with. Any
    shape.

    The noise below the grid would be most of the journal.
    """
    rounded: FloatArray = np.round(odds * GRID) / GRID + 0.0
    return rounded


def _packed_forecasts(forecasts: Sequence[Forecast]) -> dict[str, Any]:
    """Forecasts as second differences over the horizons where they are on the grid, else as float64."""
    if not forecasts:
        return {"grid": False, "values": b""}
    rows = np.stack([np.stack((one.mean, one.lower, one.upper)) for one in forecasts])
    units = rows * GRID
    if not (np.abs(units) < 2**24).all() or (units != np.round(units)).any() or np.signbit(units[units == 0]).any():
        return {"grid": False, "values": _packed_columns(rows.reshape(len(rows), -1), "<f8")}
    whole = units.astype(np.int64)
    whole[:, 1:] -= whole[:, :1]
    bends = np.diff(np.diff(whole, axis=2, prepend=0), axis=2, prepend=0)
    small = (bends << 1) ^ (bends >> 63)  # small numbers of either sign become small ones without
    return {"grid": True, "values": _planes(_packed_columns(small.reshape(len(rows), -1), "<i8"), 8)}


def _forecasts(packed: Mapping[str, Any], rows: int) -> FloatArray:
    """Mean, lower and upper of every row, shape (rows, 3, H)."""
    if not rows:
        return np.empty((0, 3, 0))
    if not packed["grid"]:
        return _columns(packed["values"], rows, "<f8").reshape(rows, 3, -1)
    content = _planes(packed["values"], len(packed["values"]) // 8)
    small = _columns(content, rows, "<i8").reshape(rows, 3, -1)
    whole = np.cumsum(np.cumsum((small >> 1) ^ -(small & 1), axis=2), axis=2)
    whole[:, 1:] += whole[:, :1]
    return whole / float(GRID)


def _planes(content: bytes, width: int) -> bytes:
    """Bytes at the same place of every `width` of them laid together: small numbers then end in long runs of zeros."""
    return np.frombuffer(content, np.uint8).reshape(-1, width).T.tobytes()


def short_id(market_id: str) -> bytes | str:
    """Six bytes of a condition id, enough to tell the markets of a journal apart; another id as it is."""
    digits = market_id.removeprefix("0x")
    if len(digits) < _SHORT_DIGITS or market_id == digits:
        return market_id
    try:
        return bytes.fromhex(digits[-_SHORT_DIGITS:])
    except ValueError:
        return market_id


def _packed_columns(rows: Sequence[Any] | np.ndarray[Any, Any], kind: str) -> bytes:
    """Rows of equal length, column by column: what is alike lies together."""
    values = np.asarray(rows, dtype=kind)
    return values.T.tobytes()


@dataclass(frozen=True)
class DecidedBar:
    """What `decide` saw on one bar. `unknown` counts the inputs of markets that nothing describes."""

    inputs: list[Inputs]
    account: Account
    unknown: int
    decisions: dict[str, Mapping[str, Any]]
    """Market id -> the decision as a row of the journal; empty where the record has none."""


class Roll(msgspec.Struct):
    """Which markets a record is about, and which of them it describes."""

    format: int
    ids: list[Any]
    """`short_id` of each market, in the order of the inputs."""
    markets: list[dict[str, Any]]

    def described(self) -> dict[str, Market]:
        """Market id -> static data of the markets that are described here."""
        found = (market_of(document) for document in self.markets)
        return {market.market_id: market for market in found}


def roll(content: bytes) -> Roll:
    """The markets of a record, without what was seen of them: a tenth of the work of `unpack`.

    Raises:
        OtherFormat: if the record has another format than this program writes, or was forgotten.
    """
    if not content:
        raise OtherFormat("what this bar saw was forgotten (serving.keep_bars)")
    found = msgspec.msgpack.decode(zlib.decompress(content), type=Roll)
    if found.format != FORMAT:
        raise OtherFormat(f"the journal's inputs have format {found.format}, this program reads {FORMAT}")
    return found


def unpack(content: bytes, markets: dict[str, Market], only: str | None = None) -> DecidedBar:
    """What `pack` wrote, equal to the bit. Markets that the record describes are added to `markets`. With `only` the
    inputs and the decision of that market alone.

    Raises:
        OtherFormat: if the record has another format than this program writes, or was forgotten.
    """
    if not content:
        raise OtherFormat("what this bar saw was forgotten (serving.keep_bars)")
    document = msgspec.msgpack.decode(zlib.decompress(content))
    if document["format"] != FORMAT:
        raise OtherFormat(f"the journal's inputs have format {document['format']}, this program reads {FORMAT}")
    for described in document["markets"]:
        market = market_of(described)
        markets[market.market_id] = market
    ids, names = document["ids"], {short_id(name): name for name in (markets if only is None else {only} & {*markets})}
    ints, floats, features = (
        _columns(document[name], len(ids), kind)
        for name, kind in (("ints", "<i8"), ("floats", "<f8"), ("features", "<f8"))
    )
    forecasts = _forecasts(document["forecasts"], len(ids))
    known = [(row, markets[names[short]]) for row, short in enumerate(ids) if short in names]
    after_ms = document.get("after_ms", 0)
    inputs = {
        row: _inputs(market, ints[row].tolist(), floats[row].tolist(), features[row], forecasts[row], after_ms)
        for row, market in known
    }
    decided: dict[str, Mapping[str, Any]] = {
        one.market.market_id: _decided(document["decisions"], row, one) for row, one in inputs.items()
    }
    account = _account(document["account"], markets)
    decisions = decided if document["decisions"] else {}
    return DecidedBar(list(inputs.values()), account, len(ids) - len(known), decisions)


def _decided(columns: Mapping[str, list[Any]], row: int, one: Inputs) -> dict[str, Any]:
    # Records of earlier versions know no second quote.
    values = {"other": None} | {name: column[row] for name, column in columns.items()}
    return {"ts_s": one.bar.ts_s, "market_id": one.market.market_id, "confidence": one.forecast.confidence, **values}


def _columns(content: bytes, rows: int, kind: str) -> np.ndarray[Any, Any]:
    if not rows:
        return np.empty((0, 0))
    return np.ascontiguousarray(np.frombuffer(content, dtype=kind).reshape(-1, rows).T)


def _inputs(
    market: Market, ints: list[int], floats: list[float], features: FloatArray, forecast: FloatArray, after_ms: int
) -> Inputs:
    bar, quote, (age_s, reference, reference_age_s, warm) = ints[:5], ints[5:9], ints[9:]
    # Records of earlier versions have fewer columns: reference prices and external probabilities were not known then.
    stated = (*floats[2:], math.nan, math.nan, math.nan)[:3]
    fair, before, external = (value if math.isfinite(value) else None for value in stated)
    return Inputs(
        market,
        Bar(market.market_id, *bar),
        Quote(*quote),
        features,
        Forecast(forecast[0], forecast[1], forecast[2], floats[1]),
        floats[0],
        age_s,
        fair=fair,
        fair_before=before,
        external=external,
        warm=bool(warm),
        reference_units=reference,
        reference_age_s=reference_age_s,
        after_ms=after_ms,
    )


def _account(row: Mapping[str, Any], markets: Mapping[str, Market]) -> Account:
    positions = {
        name: Position(**{**held, "outcome": Outcome(held["outcome"])}) for name, held in row["positions"].items()
    }
    return Account(
        cash_micro=row["cash_micro"],
        equity_micro=row["equity_micro"],
        positions=positions,
        open_buy_micro=dict(row["open_buy_micro"]),
        markets=markets,
        day_start_equity_micro=row["day_start_equity_micro"],
        peak_equity_micro=row["peak_equity_micro"],
        kill=row["kill"],
        tripped=row["tripped"],
        paused=row.get("paused", False),
        closing=frozenset(row.get("closing", ())),
    )


def market_document(market: Market) -> dict[str, Any]:
    """Static data of a market as a JSON document."""
    return asdict(market)


def market_of(document: Mapping[str, Any]) -> Market:
    """The market that `market_document` described."""
    fee, rule = FeeSchedule(**document["fee"]), Settlement.of(document.get("settlement"))
    rewards = Rewards(**document.get("rewards", {}))
    return Market(**{**document, "fee": fee, "settlement": rule, "rewards": rewards})


def rules_document(rules: Rules) -> str:
    """The limits around a bundle, as JSON: the sections of params.yaml that `decide` reads, the bars, and a policy that
    is pinned."""
    sections = {"risk": rules.risk, "sizing": rules.sizing, "execution": rules.execution, "policy": rules.rule}
    values = {name: section.model_dump(mode="json") for name, section in sections.items()}
    bars = {"bar_length_s": rules.bar_length_s, "horizon_bars": rules.horizon_bars}
    policy = {"policy_kind": rules.policy.kind}
    if rules.pinned and isinstance(rules.policy, DeclaredPolicy):
        policy["pinned"] = rules.policy.parameters.model_dump(mode="json")
    return json.dumps(values | bars | policy)
