"""What the bot shows: the state for dashboard and runner, the metrics for Prometheus, and the alarms of now."""

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from pipelines.core.domain import Fill, Market, Position
from pipelines.core.orders import NOTHING_TO_TAKE
from pipelines.core.params import Params
from pipelines.core.settings import Settings
from pipelines.trading.order_states import OrderState
from pipelines.trading.risk import exposure_micro
from pipelines.venue.wanted import Why
from serving import champion, metrics
from serving.account.in_flight import Sent
from serving.account.journal import BookedFill, wall_ms
from serving.account.trading_account import TradingAccount
from serving.dashboard import funnel, nightly_reports, state_json
from serving.dashboard.announcer import Announcer
from serving.dashboard.equity_curve import EXACT, EquityCurve
from serving.dashboard.exporter import Exporter, Figures
from serving.dashboard.forecast_score import ForecastScore
from serving.dashboard.market_records import MarketRecords
from serving.loaded_model import LoadedModel, Turn, nearest
from serving.market.feed import Feed

LOADED_POINTS = 10 * EXACT
"""Bars whose equity is read from the journal at a start: most of a year."""

JUDGED_POINTS = 5_000
"""Newest bars that the Sharpe ratio and the drawdown of the metrics are about."""

RECENT = 120
DAY_S = 86_400


class Known(NamedTuple):
    """What the picture shows of the journal: what was booked since the last picture, the newest fills with the newest
    first, and the number of orders by state."""

    booked: list[BookedFill]
    fills: list[Fill]
    orders: dict[str, int]


class Status:
    """The picture of now. `state` is read on the event loop; `update` is called there at the end of every turn."""

    def __init__(self, settings: Settings, params: Params, announcer: Announcer | None = None) -> None:
        self._settings = settings
        self.announcer = announcer or Announcer()
        self._params = params
        self._started_ms = wall_ms()
        self._alarms: dict[str, str] = {}
        self._notices: dict[str, str] = {}
        self._changed = asyncio.Condition()
        self.equity = EquityCurve()
        self._decisions: deque[dict[str, Any]] = deque(maxlen=RECENT)
        self._refused: Counter[str] = Counter()
        self._recent = metrics.Recent()
        self._score: ForecastScore | None = None
        self._account: TradingAccount | None = None
        self._model: LoadedModel | None = None
        self._feed: Feed | None = None
        self._turn: Turn | None = None
        self._body: dict[str, Any] = {}
        self._told_seq = 0
        self._known: Known | None = None
        self._markets: list[dict[str, Any]] = []
        self.listed = 0
        self.not_followed: Mapping[str, tuple[Market, Why]] = {}
        """Listed markets that are not followed, each with why."""
        self.held: Mapping[str, Position] = {}
        """What was held when the bar of the newest turn closed."""
        self._reasons: dict[str, str] = {}
        self.records = MarketRecords()
        self._funnel: dict[str, Any] = {"bar": [], "day": []}
        self.decisions = 0
        self.decided_bars = 0
        self.bars = 0
        self.ledger_equals_venue: bool | None = None
        self._took_ms = 0.0
        self._kill = settings.kill_switch.exists()
        self._exporter = Exporter()
        self._shadow: Callable[..., dict[str, Any] | None] = lambda **_: None
        self._controls: Callable[[], dict[str, Any]] = dict

    # What happens

    def show_shadow(self, state: Callable[..., dict[str, Any] | None]) -> None:
        """Where the state of the bundle in shadow comes from."""
        self._shadow = state

    def show_controls(self, state: Callable[[], dict[str, Any]]) -> None:
        """Where the state of what people asked for comes from."""
        self._controls = state

    def take_limits(self, params: Params) -> None:
        """Other limits hold from now on."""
        self._params = params

    def open(self, account: TradingAccount) -> None:
        """An account is traded from now on; what its journal remembers is shown again."""
        self._account = account
        self._told_seq = account.journal.last_fill_seq()
        self.announcer.started(self._settings.mode.value, account.gateway.account, account.accounting.equity_micro)
        self.equity.extend(account.journal.equity(LOADED_POINTS))
        self._refused.update(account.journal.refusal_counts())
        self._exporter.fills_before(len(account.journal.fills()))

    def remember(self, decisions: Iterable[dict[str, Any]]) -> None:
        """Show decisions of before the start, newest first, after those of now."""
        self._decisions.extend(list(decisions)[: RECENT - len(self._decisions)])

    def show_model(self, model: LoadedModel | None) -> None:
        """A bundle decides from now on."""
        if self._model is not None:
            metrics.MODEL.labels(self._model.bundle.hash[:12], self._model.policy_kind).set(0)
        if model is not None:
            armed = "armed" if model.champion.armed else f"NOT ARMED: {model.champion.why}"
            self.announcer.model(f"bundle {model.bundle.hash[:12]} ({model.policy_kind}) decides, {armed}")
        self._model = model
        metrics.ARMED.set(int(model is not None and model.champion.armed))
        if model is not None:
            metrics.MODEL.labels(model.bundle.hash[:12], model.policy_kind).set(1)
            self._score = ForecastScore(model.length_s, model.predictor.horizon)

    def alarm(self, kind: str, text: str) -> None:
        """Show a trouble until `clear_alarm` takes it back; people are told when it begins."""
        if kind not in self._alarms:
            self.announcer.alarm(kind, text)
        self._alarms[kind] = text

    def clear_alarm(self, kind: str) -> None:
        """A trouble is over."""
        self._alarms.pop(kind, None)

    def notice(self, kind: str, text: str) -> None:
        """Show what the bot dealt with by itself, until `clear_notice` takes it back; nobody is told."""
        self._notices[kind] = text

    def clear_notice(self, kind: str) -> None:
        """A notice is over."""
        self._notices.pop(kind, None)

    def alarm_of(self, kind: str) -> str:
        """The trouble of a kind that is shown now; empty without one."""
        return self._alarms.get(kind, "")

    def killed(self, on: bool) -> None:
        """The kill switch was thrown or lifted."""
        if on is not self._kill:
            self.announcer.killed(on)
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
        if NOTHING_TO_TAKE in sent.order.text.lower():
            answer = "unfilled"
        metrics.ORDERS.labels(answer).inc()
        metrics.EXECUTION_LATENCY.observe(sent.latency_ms)
        self._recent.add("execute", sent.latency_ms)
        if answer in ("accepted", "unfilled"):
            self.clear_alarm("order")
        else:
            metrics.ORDERS_FAILED.inc()
            self.alarm("order", f"an order was {answer}: {sent.order.text[:160]}")

    def measure(self, turn: Turn, took_ms: float, features_ms: float) -> None:
        """How long a turn took; called in the model thread."""
        self._recent.add("features", features_ms)
        for name, histogram, value in (
            ("forecast", metrics.FORECAST_LATENCY, turn.forecast_ms),
            ("decide", metrics.DECIDE_LATENCY, turn.decide_ms),
            ("bar", metrics.BAR_LATENCY, took_ms),
        ):
            histogram.observe(value)
            self._recent.add(name, value)
        self._took_ms = took_ms

    def left_out(self) -> Counter[str]:
        """Why listed markets are not followed: reason -> number."""
        return Counter(why.reason for _, why in self.not_followed.values())

    def count(self, bar: Mapping[tuple[str, str], int], day: Mapping[tuple[str, str], int]) -> None:
        """Where the markets of a bar, and of its market day so far, went between listing and fill."""
        self._funnel = {"bar": funnel.document(bar), "day": funnel.document(day)}

    def count_between(self, day: Mapping[tuple[str, str], int]) -> None:
        """The market day so far after a turn between two bars; what is shown of the bar stays."""
        self._funnel |= {"day": funnel.document(day)}

    def read(self, account: TradingAccount) -> Known:
        """What the next picture shows of the journal. Blocking: it waits for what is being written."""
        booked, before = account.journal.fills_after(self._told_seq), self._known
        fills = before.fills if before is not None and not booked else account.journal.newest_fills(RECENT)
        return Known(booked, fills, account.journal.order_counts())

    def decided(self, feed: Feed, model: LoadedModel | None, turn: Turn | None) -> None:
        """Take over what a turn decided: what the picture shows of the markets."""
        self._feed = feed
        armed = model is not None and model.champion.armed
        if turn is not None:
            self._turn = turn
            self.decided_bars += 1
            self._count(turn, armed=armed)
            if model is not None:
                self._reasons = self.records.add(turn, self.held, model.rules, armed)
        self._markets = self._rows(feed, armed)

    def update(self, account: TradingAccount, feed: Feed, ts_s: int, kill: bool, known: Known) -> None:
        """Take the picture of a finished turn, after `decided`."""
        self.killed(kill)
        self.bars += 1
        self.equity.add(ts_s, account.accounting.equity_micro)
        self._body = self._picture(account, known)
        self._tell_fills(account, known)
        self._exporter.publish(self._body, self._score, feed.age_s, self._figures())
        self.notify()

    def show_fills(self, account: TradingAccount, known: Known) -> None:
        """Show fills that were booked between two turns: at a bar a minute nobody waits for the next one."""
        if self._body and self._feed is not None:
            self._body = self._picture(account, known)
            self._tell_fills(account, known)
            self._exporter.publish(self._body, self._score, self._feed.age_s, self._figures())
            self.notify()

    def _tell_fills(self, account: TradingAccount, known: Known) -> None:
        self._known = known
        # What was read while an earlier reading waited to be shown has its fills too.
        fresh = [one for one in known.booked if one.seq > self._told_seq]
        if fresh:
            self._told_seq = fresh[-1].seq
            self.announcer.fills((one, account.accounting.markets.get(one.fill.market_id)) for one in fresh)

    def decided_between(self, turn: Turn, took_ms: float, armed: bool) -> None:
        """Take over what a turn between two bars decided. The markets are shown as their bar left them; its
        forecast is judged once."""
        metrics.TICK_LATENCY.observe(took_ms)
        self._recent.add("tick", took_ms)
        self._count_decisions(turn, armed)

    def _count(self, turn: Turn, armed: bool) -> None:
        self._count_decisions(turn, armed)
        for one in turn.inputs:
            if self._score is not None and one.warm:
                self._score.add(one.market.market_id, turn.ts_s, one.bar.mid_units, one.forecast)
        confidences = [one.forecast.confidence for one in turn.inputs]
        if confidences:
            metrics.CONFIDENCE.set(sum(confidences) / len(confidences))
            metrics.CONFIDENCE_MAX.set(max(confidences))

    def _count_decisions(self, turn: Turn, armed: bool) -> None:
        self.decisions += len(turn.decisions)
        metrics.DECISIONS.inc(len(turn.decisions))
        for one, made in zip(turn.inputs, turn.decisions, strict=True):
            if made.refusal is not None:
                self._refused[made.refusal.reason.value] += 1
                metrics.REFUSALS.labels(made.refusal.reason.value).inc()
                self.announcer.refused(made.refusal.reason, made.refusal.detail, turn.ts_s // DAY_S)
            if made.refusal is not None or made.intent is not None:
                self._decisions.appendleft(state_json.decision(made, one.market, armed))

    # What is shown

    def state(self, *, whole: bool) -> dict[str, Any]:
        """The state as JSON, of the equity curve the newest point; `whole` adds what changes rarely."""
        points = state_json.equity_points(self.equity.newest())
        feed, settings = self._feed, self._settings
        return (
            self._empty()
            | self._body
            | {
                "profile": settings.profile,
                "champion": settings.champion,
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
                "notices": list(self._notices.values()),
                "ledger_equals_venue": self.ledger_equals_venue,
                "decisions": self.decisions,
                "decided_bars": self.decided_bars,
                "funnel": self._funnel,
                "equity": points,
                "shadow": self._shadow(whole=whole),
                "controls": self._controls(),
            }
            | ({"not_followed": self._not_followed()} if whole else {})
        )

    def _not_followed(self) -> list[dict[str, str]]:
        left = self.not_followed.values()
        return [
            {"market_id": one.market_id, "question": one.question, "why": str(why), "reason": why.reason}
            for one, why in left
        ]

    def _empty(self) -> dict[str, Any]:
        model = self._model
        return {
            "armed": model is not None and model.champion.armed,
            "sells": model is not None and (model.champion.armed or model.champion.sells),
            "override": model is not None and model.champion.override,
            "cash_reason": model.champion.why if model else champion.NO_MODEL,
            "policy": model.policy_kind if model else "cash",
            "pinned_policy": model.champion.pinned if model is not None else "",
            "model": self._model_state(),
            "bar": None,
            "account": None,
            "positions": [],
            "open_orders": [],
            "fills": [],
            "fills_total": 0,
            "markets": [],
            "recent_decisions": [],
            "orders": state_json.orders_total({}, self._refused),
            "limits": {"max_markets": self._params.risk.max_markets},
            "latency_ms": {},
            "score": {"accuracy": None, "moves": 0},
        }

    def _model_state(self) -> dict[str, Any]:
        model = self._model
        if model is None:
            return {"bundle": None, "champion": False, "gate": None, "verdict": None}
        manifest = model.bundle.manifest
        return {
            "bundle": model.bundle.hash,
            "policy": model.policy_kind,
            "forecast": manifest.get("forecast_kind", model.predictor.kind),
            "as_of_s": manifest.get("created_s"),
            "version": model.champion.version,
            "bento": model.champion.bento,
            "champion": model.champion.armed,
            "gate": nightly_reports.verdict(model.bundle.hash),
            "verdict": state_json.verdict(model.champion.verdict),
        }

    def _rows(self, feed: Feed, armed: bool) -> list[dict[str, Any]]:
        made = nearest(self._turn)
        rows = [
            state_json.market(
                one.market,
                one.quote,
                one.mid_units or one.quote.mid_units,
                *_last(made.get(key)),
                armed,
                self._reasons.get(key, ""),
            )
            for key, one in feed.followed.items()
            if one.quote is not None
        ]
        return sorted(rows, key=lambda row: -row.get("confidence", 0.0))

    def _picture(self, account: TradingAccount, known: Known) -> dict[str, Any]:
        accounting, risk = account.accounting, self._params.risk
        at_stake = exposure_micro(accounting.positions, account.execution.open_buys(accounting.markets))
        money = state_json.account(accounting, account.gateway.account) | {
            "exposure": at_stake / accounting.equity_micro if accounting.equity_micro else 0.0,
            "daily_limit": risk.daily_loss_fraction,
            "max_drawdown": risk.max_drawdown_fraction,
            "max_exposure": risk.max_exposure_fraction,
        }
        return {
            "bar": {"ts_s": self._turn.ts_s if self._turn else None, "took_ms": round(self._took_ms, 2)},
            "account": money,
            "positions": [
                state_json.position(held, accounting.markets[key], accounting.mids.get(key, held.entry_units))
                for key, held in sorted(accounting.positions.items())
            ],
            "open_orders": [
                state_json.order(row, accounting.markets.get(row.market_id)) for row in account.execution.pending
            ],
            "fills": [state_json.fill(one, accounting.markets.get(one.market_id)) for one in known.fills],
            "fills_total": account.accounting.fills_booked,
            "markets": self._markets,
            "recent_decisions": list(self._decisions),
            "orders": state_json.orders_total(known.orders, self._refused),
            "latency_ms": self._recent.quantiles(),
            "score": {"accuracy": self._score.accuracy, "moves": self._score.moves} if self._score else {},
        }

    def _figures(self) -> Figures:
        return Figures(
            equity_micro=self.equity.values(JUDGED_POINTS),
            bar_length_s=self._model.length_s if self._model is not None else None,
            markets_decided=len(self._turn.inputs) if self._turn else 0,
            ledger_equals_venue=self.ledger_equals_venue,
            kill=self._kill,
        )

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
