"""A bot that stands still: 80 markets and a month of bars, for tests of the pages alone."""

import asyncio
import math
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread
from typing import Any

import uvicorn

from pipelines.core.errors import DataError
from serving.dashboard.web import application
from serving.paths import DASHBOARD

MONTH = 43_200
START_S = 1_767_225_600
LAST_S = START_S + 60 * MONTH
SPIKE_BAR = 700
"""The only bar of the month that lost money: a curve that loses bars loses it."""


def _decision(number: int, **changes: Any) -> dict[str, Any]:
    return {
        "ts_s": LAST_S,
        "market_id": f"0x{number:064x}",
        "question": f"Will the Northern Mariners of Gilwick reach round {number} of the cup?",
        "action": "hold",
        "acting": False,
        "armed": True,
        "refusal": None,
        "detail": "expected +0.46 ¢; an entry needs more than 4.88 ¢ either way (1 round trip)",
        "confidence": 0.63,
        **changes,
    }


def _market(number: int) -> dict[str, Any]:
    moves = {"move_cents": 0.46, "lower_cents": -3.1, "upper_cents": 4.2}
    quote = {"end_s": LAST_S + 7_200, "tick": 0.01, "bid": 0.38, "ask": 0.4, "mid": 0.39}
    return _decision(number) | quote | moves


def _trade(number: int) -> dict[str, Any]:
    row = _decision(number)
    about = {"market_id": row["market_id"], "question": row["question"], "tick": 0.01}
    return about | {"ts_s": LAST_S, "side": "BUY", "outcome": "YES", "price": 0.4, "shares": 1_234.5, "fee": 2.25}


def _position(number: int) -> dict[str, Any]:
    prices = {"entry": 0.41, "mid": 0.39, "value": 481.5, "pnl": -24.7, "pnl_fraction": -0.0488}
    return _trade(number) | prices | {"opened_s": LAST_S - 600, "end_s": LAST_S + 7_200}


def _order(number: int) -> dict[str, Any]:
    return _trade(number) | {"order_id": "0xab", "filled": 10.0, "state": "partly filled"}


def _funnel(times: int) -> list[dict[str, Any]]:
    from serving.dashboard.funnel import STEPS, document

    counts = {(step, ""): times * (90 - 12 * place) for place, step in enumerate(STEPS)}
    lost = {("followed", "below the minimum volume"): 10 * times, ("signal", "held or no signal"): 12}
    return document(counts | lost)


def state(markets: int = 80) -> dict[str, Any]:
    """The state of a bot that trades; its words are those of the real one."""
    refused = {"confidence": 812, "related_markets": 64, "max_markets": 12}
    return {
        "armed": True, "sells": True, "override": False, "cash_reason": "", "policy": "threshold",
        "mode": "simulated", "venue": "http://127.0.0.1:8640", "started_ms": START_S * 1000, "market_time_s": LAST_S,
        "feed": {"age_s": 0.2, "connected": True, "stale_after_s": 1e9}, "kill": False, "alarms": [], "notices": [],
        "ledger_equals_venue": True, "decisions": 90_000, "decided_bars": MONTH,
        "model": {
            "bundle": "4ab70282430f" * 5, "policy": "threshold", "forecast": "mlp", "as_of_s": START_S, "version": 3,
            "bento": "oddsmith:4ab", "champion": True, "gate": {"verdict": "promote", "reasons": []},
            "verdict": {"verdict": "promote", "expires_s": LAST_S + 86_400},
        },
        "bar": {"ts_s": LAST_S, "took_ms": 58.0},
        "account": {
            "address": "0x2B67C4d3EEF79ae91e2Bc04d6D509b2B1bc49B77", "cash": 8_066.55, "equity": 11_079.42,
            "initial": 10_000.0, "pnl": 1_079.42, "daily_pnl": -79.42, "daily_fraction": -0.0079, "drawdown": 0.0027,
            "fees": 325.73, "income": {}, "redeemable": [], "closed_trades": 412, "win_rate": 0.583, "exposure": 0.19,
            "daily_limit": 0.05, "max_drawdown": 0.15, "max_exposure": 0.3,
        },
        "positions": [_position(number) for number in range(5)],
        "open_orders": [_order(number) for number in range(2)],
        "fills": [_trade(number) for number in range(60)], "fills_total": 824,
        "markets": [_market(number) for number in range(markets)],
        "recent_decisions": [
            _decision(number, action="enter_long", refusal="confidence", detail="confidence 0.692 is below 0.7")
            for number in range(100)
        ],
        "orders": {"placed": 434, "matched": 398, "rejected": 2, "unknown": 0, "cancelled": 34, "refused": refused},
        "limits": {"max_markets": 5}, "latency_ms": {"features": [3.6, 9.0], "forecast": [26.0, 58.0]},
        "score": {"accuracy": 0.566, "moves": 2000}, "funnel": {"bar": _funnel(1), "day": _funnel(600)},
        "equity": [[LAST_S, 11_079.42]], "shadow": None,
    }  # fmt: skip


def market(number: int) -> dict[str, Any]:
    """The document of one market's page."""
    from pipelines.features.spec import FEATURES

    row = _market(number)
    times = range(LAST_S - 60 * 1_439, LAST_S + 60, 60)
    mids = [(t, 0.4 + 0.1 * math.sin(t / 9_000)) for t in times]
    prices = [[t, mid, mid - 0.01, mid + 0.01] for t, mid in mids]
    fan = [[LAST_S + 60 * step, 0.39, 0.39 - 0.002 * step, 0.39 + 0.002 * step] for step in range(25)]
    trade = _trade(number) | {"reason": "enter", "yes_price": 0.4}
    return {
        "market": {
            "market_id": row["market_id"], "question": row["question"], "event": "cup-round", "topic": "sports",
            "end_s": row["end_s"], "tick": 0.01, "min_size": 5.0, "fee_rate": 0.05, "followed": True, "left_out": "",
        },
        "position": _position(number), "book": {"bids": [[0.38, 100.0]], "asks": [[0.4, 90.0]]},
        "headlines": [{"ts_s": LAST_S, "text": "Mariners are praised", "tone": 0.7}],
        "prices": prices, "fan": fan, "fan_hour_ago": [[t - 3_600, *rest] for t, *rest in fan],
        "features": [
            {"name": one.name, "meaning": one.meaning, "unit": one.unit, "value": 4.768e-07} for one in FEATURES
        ],
        "sentiment": 0.2, "decisions": [_decision(number) | {"why": row["detail"]} for _ in range(100)],
        "fills": [trade], "orders": [_order(number) | {"ts_s": LAST_S, "reason": "enter", "text": ""}], "payout": None,
    }  # fmt: skip


class StillBot:
    """What the pages watch: a picture that changes only when `now` is set."""

    def __init__(self) -> None:
        self.now = state()
        self.kills: list[bool] = []
        self._changed = asyncio.Event()

    def state(self, *, whole: bool) -> dict[str, Any]:
        left = [{"market_id": "0xff", "question": "Will it snow?", "why": "its volume of 12 pUSD is below 1,000"}]
        return self.now | ({"not_followed": left} if whole else {})

    def equity(self) -> list[tuple[int, int]]:
        return [
            (START_S + 60 * bar, 9_000_000_000 if bar == SPIKE_BAR else 10_000_000_000 + 25_000 * bar)
            for bar in range(MONTH + 1)
        ]

    async def changed(self, timeout_s: float) -> None:
        await asyncio.sleep(min(timeout_s, 0.5))

    async def market(self, market_id: str) -> dict[str, Any] | None:
        return market(int(market_id, 16)) if market_id.startswith("0x") else None

    def history(self, *_span: int, against_model: bool = False) -> Any:
        raise DataError("the journal holds no decided bar; let the bot run for a few bars first")

    async def ask(self, kind: str, asked_by: str, argument: str = "") -> int:
        return 1

    async def kill(self, on: bool) -> None:
        self.kills.append(on)


@contextmanager
def served(bot: StillBot, var: Any) -> Iterator[str]:
    """The pages of a bot on a port of their own; the URL."""
    config = uvicorn.Config(application(lambda: bot, DASHBOARD, lambda: var), port=0, log_level="error")
    server = uvicorn.Server(config)
    thread = Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive()
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}/"
    finally:
        server.should_exit = True
        thread.join(timeout=10)
