"""What the bot shows: the state for dashboard and runner, the metrics for Prometheus, and the alarms of now."""

import asyncio
import itertools
import math
import time
from collections import Counter, deque
from typing import Any

import psutil

from pipelines.core.params import Params
from pipelines.core.settings import Settings
from pipelines.trading.orders import OrderState
from pipelines.trading.risk import exposure_micro
from serving import champion, metrics, nights, view
from serving.account import TradingAccount
from serving.brain import Brain, Turn, nearest
from serving.execution import Sent
from serving.feed import Feed
from serving.journal import wall_ms
from serving.score import Scoreboard

EQUITY_POINTS = 5_000
RECENT = 120
YEAR_S = 365 * 86_400


class Status:
    """The picture of now. `state` is read on the event loop; `update` is called there at the end of every turn."""

    def __init__(self, settings: Settings, params: Params) -> None:
        self._settings = settings
        self._params = params
        self._started_ms = wall_ms()
        self._process = psutil.Process()
        self._process.cpu_percent()
        self._alarms: dict[str, str] = {}
        self._changed = asyncio.Condition()
        self._equity: deque[tuple[int, int]] = deque(maxlen=EQUITY_POINTS)
        self._decisions: deque[dict[str, Any]] = deque(maxlen=RECENT)
        self._refused: Counter[str] = Counter()
        self._recent = metrics.Recent()
        self._score: Scoreboard | None = None
        self._account: TradingAccount | None = None
        self._brain: Brain | None = None
        self._feed: Feed | None = None
        self._turn: Turn | None = None
        self._body: dict[str, Any] = {}
        self._max_drawdown = 0.0
        self._shown_positions: set[tuple[str, str]] = set()
        self._fills_seen = 0
        self.decisions = 0
        self.decided_bars = 0
        self.bars = 0
        self.ledger_equals_venue: bool | None = None
        self._took_ms = 0.0
        self._kill = settings.kill_switch.exists()
        self._replay = nights.Replay()

    # What happens

    def open(self, account: TradingAccount) -> None:
        """An account is traded from now on; what its journal remembers is shown again."""
        self._account = account
        self._equity.extend(account.journal.equity(EQUITY_POINTS))
        self._refused.update(account.journal.refusal_counts())
        self._fills_seen = len(account.journal.fills())

    def show_model(self, brain: Brain | None) -> None:
        """A bundle decides from now on."""
        if self._brain is not None:
            metrics.MODEL.labels(self._brain.bundle.hash[:12], self._brain.policy_kind).set(0)
        self._brain = brain
        metrics.ARMED.set(int(brain is not None and brain.champion.armed))
        if brain is not None:
            metrics.MODEL.labels(brain.bundle.hash[:12], brain.policy_kind).set(1)
            self._score = Scoreboard(brain.length_s, brain.predictor.horizon)

    def alarm(self, kind: str, text: str) -> None:
        """Show a trouble until `calm` takes it back."""
        self._alarms[kind] = text

    def calm(self, kind: str) -> None:
        """A trouble is over."""
        self._alarms.pop(kind, None)

    def killed(self, on: bool) -> None:
        """The kill switch was thrown or lifted."""
        self._kill = on
        metrics.KILLED.set(int(on))

    def left(self, market_id: str) -> None:
        """A market is no longer followed."""
        if self._score is not None:
            self._score.forget(market_id)

    def sent(self, sent: Sent) -> None:
        """An order was answered."""
        state = sent.order.state
        answer = {OrderState.REJECTED: "rejected", OrderState.UNKNOWN: "unknown"}.get(state, "accepted")
        metrics.ORDERS.labels(answer).inc()
        metrics.EXECUTION_LATENCY.observe(sent.latency_ms)
        self._recent.add("execute", sent.latency_ms)
        if answer == "accepted":
            self.calm("order")
        else:
            metrics.ORDERS_FAILED.inc()
            self.alarm("order", f"an order was {answer}: {sent.order.text[:160]}")

    def measure(self, turn: Turn, took_ms: float, features_ms: float) -> None:
        """How long a turn took; called in the mind thread."""
        self._recent.add("features", features_ms)
        for name, histogram, value in (
            ("forecast", metrics.FORECAST_LATENCY, turn.forecast_ms),
            ("decide", metrics.DECIDE_LATENCY, turn.decide_ms),
            ("bar", metrics.BAR_LATENCY, took_ms),
        ):
            histogram.observe(value)
            self._recent.add(name, value)
        self._took_ms = took_ms

    def update(
        self, account: TradingAccount, feed: Feed, brain: Brain | None, turn: Turn | None, ts_s: int, kill: bool
    ) -> None:
        """Take the picture of a finished turn."""
        self._feed, self._kill = feed, kill
        self.bars += 1
        self._equity.append((ts_s, account.books.equity_micro))
        if turn is not None:
            self._turn = turn
            self.decided_bars += 1
            self._count(turn, armed=brain is not None and brain.champion.armed)
        self._body = self._picture(account, feed, brain)
        self._publish(account, feed)
        self.notify()

    def _count(self, turn: Turn, armed: bool) -> None:
        self.decisions += len(turn.decisions)
        metrics.DECISIONS.inc(len(turn.decisions))
        for one, made in zip(turn.inputs, turn.decisions, strict=True):
            if self._score is not None:
                self._score.add(one.market.market_id, turn.ts_s, one.bar.mid_units, one.forecast)
            if made.refusal is not None:
                self._refused[made.refusal.reason.value] += 1
                metrics.REFUSALS.labels(made.refusal.reason.value).inc()
            if made.refusal is not None or made.intent is not None:
                self._decisions.appendleft(view.decision(made, one.market, armed))
        confidences = [one.forecast.confidence for one in turn.inputs]
        if confidences:
            metrics.CONFIDENCE.set(sum(confidences) / len(confidences))
            metrics.CONFIDENCE_MAX.set(max(confidences))

    # What is shown

    def state(self, *, whole: bool) -> dict[str, Any]:
        """The state as JSON; the equity curve in full, or its newest point."""
        points = view.equity_points(list(self._equity) if whole else list(self._equity)[-1:])
        feed, settings = self._feed, self._settings
        return (
            self._empty()
            | self._body
            | {
                "mode": settings.mode.value,
                "venue": settings.clob_url,
                "started_ms": self._started_ms,
                "market_time_s": feed.market_s if feed else None,
                "feed": {
                    "age_s": round(feed.age_s, 3) if feed else None,
                    "connected": bool(feed and feed.connected),
                    "stale_after_s": self._params.serving.stale_feed_s,
                },
                "kill": self._kill,
                "alarms": list(self._alarms.values()),
                "ledger_equals_venue": self.ledger_equals_venue,
                "decisions": self.decisions,
                "decided_bars": self.decided_bars,
                "equity": points,
            }
        )

    def _empty(self) -> dict[str, Any]:
        brain = self._brain
        return {
            "armed": brain is not None and brain.champion.armed,
            "cash_reason": brain.champion.why if brain else champion.NO_MODEL,
            "policy": brain.policy_kind if brain else "cash",
            "model": self._model(),
            "bar": None,
            "account": None,
            "positions": [],
            "open_orders": [],
            "fills": [],
            "fills_total": 0,
            "markets": [],
            "recent_decisions": [],
            "orders": view.orders_total({}, self._refused),
            "limits": {"max_markets": self._params.risk.max_markets},
            "latency_ms": {},
            "score": {"accuracy": None, "moves": 0},
        }

    def _model(self) -> dict[str, Any]:
        brain = self._brain
        if brain is None:
            return {"bundle": None, "champion": False, "gate": None}
        manifest = brain.bundle.manifest
        return {
            "bundle": brain.bundle.hash,
            "policy": brain.policy_kind,
            "forecast": manifest.get("forecast_kind", brain.predictor.kind),
            "as_of_s": manifest.get("created_s"),
            "version": brain.champion.version,
            "bento": brain.champion.bento,
            "champion": brain.champion.armed,
            "gate": nights.verdict(brain.bundle.hash),
        }

    def _picture(self, account: TradingAccount, feed: Feed, brain: Brain | None) -> dict[str, Any]:
        books, armed = account.books, brain is not None and brain.champion.armed
        fills = account.journal.newest_fills(RECENT)
        risk = self._params.risk
        at_stake = exposure_micro(books.positions, account.execution.open_buys(books.markets))
        made = nearest(self._turn)
        rows = [
            view.market(one.market, one.quote, one.quote.mid_units, *_last(made.get(key)), armed)
            for key, one in feed.followed.items()
            if one.quote is not None
        ]
        money = view.account(books, account.gateway.account) | {
            "exposure": at_stake / books.equity_micro if books.equity_micro else 0.0,
            "daily_limit": risk.daily_loss_fraction,
            "max_drawdown": risk.max_drawdown_fraction,
            "max_exposure": risk.max_exposure_fraction,
        }
        return {
            "armed": armed,
            "bar": {"ts_s": self._turn.ts_s if self._turn else None, "took_ms": round(self._took_ms, 2)},
            "account": money,
            "positions": [
                view.position(held, books.markets[key], books.mids.get(key, held.entry_units))
                for key, held in sorted(books.positions.items())
            ],
            "open_orders": [view.order(row, books.markets.get(row.market_id)) for row in account.execution.pending],
            "fills": [view.fill(one, books.markets.get(one.market_id)) for one in fills],
            "fills_total": account.books.fills_booked,
            "markets": sorted(rows, key=lambda row: -row.get("confidence", 0.0)),
            "recent_decisions": list(self._decisions),
            "orders": view.orders_total(account.journal.order_counts(), self._refused),
            "latency_ms": self._recent.quantiles(),
            "score": {"accuracy": self._score.accuracy, "moves": self._score.moves} if self._score else {},
        }

    # Prometheus

    def _publish(self, account: TradingAccount, feed: Feed) -> None:
        money = self._body["account"]
        self._max_drawdown = max(self._max_drawdown, money["drawdown"])
        for gauge, value in (
            (metrics.PORTFOLIO_VALUE, money["equity"]),
            (metrics.CASH, money["cash"]),
            (metrics.DAILY_PNL, money["daily_pnl"]),
            (metrics.TOTAL_PNL, money["pnl"]),
            (metrics.WIN_RATE, 100.0 * (money["win_rate"] or 0.0)),
            (metrics.SHARPE, self._sharpe()),
            (metrics.DRAWDOWN, money["drawdown"]),
            (metrics.MAX_DRAWDOWN, self._max_drawdown),
            (metrics.EXPOSURE, money["exposure"]),
            (metrics.POSITIONS, len(self._body["positions"])),
            (metrics.MARKETS, len(self._turn.inputs) if self._turn else 0),
            (metrics.LEDGER, {True: 1, False: 0, None: -1}[self.ledger_equals_venue]),
            (metrics.KILLED, int(self._kill)),
            (metrics.FEED_AGE, feed.age_s),
            (metrics.LAST_BAR, time.time()),
            (metrics.MEMORY, self._process.memory_info().rss / 1e6),
            (metrics.CPU, self._process.cpu_percent()),
        ):
            gauge.set(value)
        fills = account.books.fills_booked
        metrics.TRADES.inc(max(0, fills - self._fills_seen))
        self._fills_seen = fills
        if self._score is not None:
            metrics.ACCURACY.set(self._score.accuracy or 0.0)
            metrics.JUDGED.set(self._score.moves)
            metrics.PREDICTION_ERROR.set(self._score.error or 0.0)
        self._publish_positions()
        self._replay.publish()

    def _publish_positions(self) -> None:
        now = set()
        for row in self._body["positions"]:
            labels = (row["market_id"], row["outcome"])
            now.add(labels)
            metrics.POSITION_SHARES.labels(*labels).set(row["shares"])
            metrics.POSITION_ENTRY.labels(*labels).set(row["entry"] or 0.0)
            metrics.POSITION_PNL.labels(*labels).set(row["pnl"])
        for labels in self._shown_positions - now:
            for gauge in (metrics.POSITION_SHARES, metrics.POSITION_ENTRY, metrics.POSITION_PNL):
                gauge.labels(*labels).set(0)
        self._shown_positions |= now

    def _sharpe(self) -> float:
        """Of the bars that are shown, annualised for 365 days; 0 before 30 of them."""
        values = [micro for _, micro in self._equity]
        returns = [b / a - 1.0 for a, b in itertools.pairwise(values) if a > 0]
        if len(returns) < 30 or self._brain is None:
            return 0.0
        mean = sum(returns) / len(returns)
        spread = math.sqrt(sum((r - mean) ** 2 for r in returns) / (len(returns) - 1))
        return mean / spread * math.sqrt(YEAR_S / self._brain.length_s) if spread > 0 else 0.0

    # Waiting

    def notify(self) -> None:
        """Wake everyone who waits for a new picture."""
        task = asyncio.get_running_loop().create_task(self._wake())
        task.add_done_callback(lambda done: done.exception())

    async def _wake(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    async def changed(self, timeout_s: float) -> None:
        """Return at the next picture, or after a time."""
        try:
            async with asyncio.timeout(timeout_s), self._changed:
                await self._changed.wait()
        except TimeoutError:
            return


def _last(pair: Any) -> tuple[Any, Any]:
    return (pair[0].forecast, pair[1]) if pair else (None, None)
