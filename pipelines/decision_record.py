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

FORMAT = 1


def pack(inputs: Sequence[Inputs], account: Account) -> bytes:
    """Inputs of all markets and the account, compressed; floats as raw float64."""
    document = {
        "format": FORMAT,
        "account": {
            "cash_micro": account.cash_micro,
            "equity_micro": account.equity_micro,
            "positions": dict(account.positions),
            "open_buy_micro": dict(account.open_buy_micro),
            "day_start_equity_micro": account.day_start_equity_micro,
            "peak_equity_micro": account.peak_equity_micro,
            "kill": account.kill,
        },
        "inputs": [_packed(one) for one in inputs],
    }
    return zlib.compress(msgspec.msgpack.encode(document), 1)


def _packed(one: Inputs) -> dict[str, Any]:
    bar, quote, forecast = one.bar, one.quote, one.forecast
    return {
        "market_id": one.market.market_id,
        "market": market_document(one.market),
        "bar": [bar.ts_s, bar.mid_units, bar.volume_micro, bar.n_trades, bar.spread_units],
        "quote": [quote.bid_units, quote.ask_units, quote.bid_size_micro, quote.ask_size_micro],
        "quote_age_s": one.quote_age_s,
        "sentiment": one.sentiment,
        "confidence": forecast.confidence,
        "features": _bytes(one.features),
        "forecast": _bytes(np.stack((forecast.mean, forecast.lower, forecast.upper))),
    }


def _bytes(values: FloatArray) -> bytes:
    return np.ascontiguousarray(values, dtype="<f8").tobytes()


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
    inputs, unknown = [], 0
    for row in document["inputs"]:
        described = row.get("market")
        market = market_of(described) if described else markets.get(row["market_id"])
        if market is None:
            unknown += 1
            continue
        markets[market.market_id] = market
        inputs.append(_unpacked(row, market))
    return DecidedBar(inputs, _account(document["account"], markets), unknown)


def _unpacked(row: Mapping[str, Any], market: Market) -> Inputs:
    forecast = np.frombuffer(row["forecast"], dtype="<f8").reshape(3, -1)
    return Inputs(
        market,
        Bar(market.market_id, *row["bar"]),
        Quote(*row["quote"]),
        np.frombuffer(row["features"], dtype="<f8"),
        Forecast(forecast[0], forecast[1], forecast[2], row["confidence"]),
        row["sentiment"],
        row["quote_age_s"],
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
