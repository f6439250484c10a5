"""What `decide` saw on one bar, as bytes for the journal: enough to decide it again, bit for bit."""

import json
import zlib
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import msgspec
import numpy as np

from pipelines.core.domain import Bar, FloatArray, Forecast, Market, Quote
from pipelines.decide import Account, Decision, Inputs, Rules

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
        "market": asdict(one.market),
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


def unpack(content: bytes, markets: dict[str, Market]) -> tuple[list[Inputs], dict[str, Any]]:
    """The inputs (markets by id must be known) and the account's numbers that `pack` wrote."""
    document = msgspec.msgpack.decode(zlib.decompress(content))
    return [_unpacked(row, markets[row["market_id"]]) for row in document["inputs"]], document["account"]


def _unpacked(row: dict[str, Any], market: Market) -> Inputs:
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


def rules_document(rules: Rules) -> str:
    """The limits around a bundle, as JSON: the sections of params.yaml that `decide` reads, and the bars."""
    sections = {"risk": rules.risk, "sizing": rules.sizing, "execution": rules.execution, "policy": rules.rule}
    values = {name: section.model_dump(mode="json") for name, section in sections.items()}
    return json.dumps(values | {"bar_length_s": rules.bar_length_s, "horizon_bars": rules.horizon_bars})


def decision_row(decision: Decision, armed: bool) -> dict[str, Any]:
    """A decision as a row of the journal."""
    refusal, intent = decision.refusal, decision.intent
    return {
        "ts_s": decision.ts_s,
        "market_id": decision.market_id,
        "action": decision.wish,
        "direction": int(decision.direction),
        "fraction": decision.fraction,
        "refusal": refusal.reason.value if refusal else None,
        "detail": refusal.detail if refusal else "",
        "confidence": decision.confidence,
        "intent": msgspec.json.encode(intent).decode() if intent else None,
        "armed": armed,
    }
