"""What `decide` saw on one bar, as bytes of the journal: enough to decide it again, bit for bit.

The only writer and the only reader of this format: the live process packs, parity unpacks.
"""

import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import msgspec
import numpy as np

from pipelines.core.domain import Bar, FeeSchedule, FloatArray, Forecast, Market, Outcome, Position, Quote
from pipelines.core.errors import DataError
from pipelines.decide import Account, Inputs, Rules

FORMAT = 2

DESCRIBE_EVERY = 60
"""Bars after which a market is described again, so that a reader finds it within so many bars."""

_LEVEL = 6


class Packer:
    """Packs bar after bar. A market is described where it is new, has moved, or was not described for a while."""

    def __init__(self) -> None:
        self._described: dict[str, tuple[Market, int]] = {}
        self._bars = 0

    def pack(self, inputs: Sequence[Inputs], account: Account) -> bytes:
        """Inputs of all markets and the account, column by column, compressed; floats to the bit."""
        self._bars += 1
        document = {
            "format": FORMAT,
            "account": _account_document(account),
            "ids": [one.market.market_id for one in inputs],
            "markets": [market_document(one.market) for one in inputs if self._is_news(one.market)],
            "ints": _packed_columns([_integers(one) for one in inputs], "<i8"),
            "floats": _packed_columns([(one.sentiment, one.forecast.confidence) for one in inputs], "<f8"),
            "features": _packed_columns([one.features for one in inputs], "<f8"),
            "forecasts": _packed_columns([_forecast(one.forecast) for one in inputs], "<f8"),
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
    }


def _integers(one: Inputs) -> tuple[int, ...]:
    bar, quote = one.bar, one.quote
    shown = (quote.bid_units, quote.ask_units, quote.bid_size_micro, quote.ask_size_micro)
    marks = (one.quote_age_s, one.reference_units, one.reference_age_s, int(one.warm))
    return (bar.ts_s, bar.mid_units, bar.volume_micro, bar.n_trades, bar.spread_units, *shown, *marks)


def _forecast(forecast: Forecast) -> FloatArray:
    return np.concatenate((forecast.mean, forecast.lower, forecast.upper))


def _packed_columns(rows: Sequence[Any], kind: str) -> bytes:
    """Rows of equal length, column by column: what is alike lies together."""
    values = np.asarray(rows, dtype=kind)
    return values.T.tobytes()


@dataclass(frozen=True)
class DecidedBar:
    """What `decide` saw on one bar. `unknown` counts the inputs of markets that nothing describes."""

    inputs: list[Inputs]
    account: Account
    unknown: int


def unpack(content: bytes, markets: dict[str, Market]) -> DecidedBar:
    """What `pack` wrote, equal to the bit. Markets that the record describes are added to `markets`.

    Raises:
        DataError: if the record has another format than this program writes.
    """
    document = msgspec.msgpack.decode(zlib.decompress(content))
    if document["format"] != FORMAT:
        raise DataError(f"the journal's inputs have format {document['format']}, this program reads {FORMAT}")
    for described in document["markets"]:
        market = market_of(described)
        markets[market.market_id] = market
    ids = document["ids"]
    ints, floats, features, forecasts = (
        _columns(document[name], len(ids), kind)
        for name, kind in (("ints", "<i8"), ("floats", "<f8"), ("features", "<f8"), ("forecasts", "<f8"))
    )
    known = [(row, markets[name]) for row, name in enumerate(ids) if name in markets]
    inputs = [
        _inputs(market, ints[row].tolist(), floats[row].tolist(), features[row], forecasts[row].reshape(3, -1))
        for row, market in known
    ]
    return DecidedBar(inputs, _account(document["account"], markets), len(ids) - len(known))


def _columns(content: bytes, rows: int, kind: str) -> np.ndarray[Any, Any]:
    if not rows:
        return np.empty((0, 0))
    return np.ascontiguousarray(np.frombuffer(content, dtype=kind).reshape(-1, rows).T)


def _inputs(market: Market, ints: list[int], floats: list[float], features: FloatArray, forecast: FloatArray) -> Inputs:
    bar, quote, (age_s, reference, reference_age_s, warm) = ints[:5], ints[5:9], ints[9:]
    return Inputs(
        market,
        Bar(market.market_id, *bar),
        Quote(*quote),
        features,
        Forecast(forecast[0], forecast[1], forecast[2], floats[1]),
        floats[0],
        age_s,
        warm=bool(warm),
        reference_units=reference,
        reference_age_s=reference_age_s,
    )


def _account(row: Mapping[str, Any], markets: Mapping[str, Market]) -> Account:
    positions = {
        name: Position(**{**held, "outcome": Outcome(held["outcome"])}) for name, held in row["positions"].items()
    }
    return Account(
        row["cash_micro"],
        row["equity_micro"],
        positions,
        dict(row["open_buy_micro"]),
        markets,
        row["day_start_equity_micro"],
        row["peak_equity_micro"],
        row["kill"],
        row["tripped"],
    )


def market_document(market: Market) -> dict[str, Any]:
    """Static data of a market as a JSON document."""
    return asdict(market)


def market_of(document: Mapping[str, Any]) -> Market:
    """The market that `market_document` described."""
    return Market(**{**document, "fee": FeeSchedule(**document["fee"])})


def rules_document(rules: Rules) -> str:
    """The limits around a bundle, as JSON: the sections of params.yaml that `decide` reads, and the bars."""
    sections = {"risk": rules.risk, "sizing": rules.sizing, "execution": rules.execution, "policy": rules.rule}
    values = {name: section.model_dump(mode="json") for name, section in sections.items()}
    return json.dumps(values | {"bar_length_s": rules.bar_length_s, "horizon_bars": rules.horizon_bars})
