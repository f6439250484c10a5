"""What Prometheus reads: the guide's names, and what else a person needs.

BentoML runs Prometheus in multiprocess mode, so every gauge says how the values of processes are joined. One registry
entry per process: the objects are made once, at import, after BentoML has set the folder.
"""

from collections import deque
from collections.abc import Iterable
from typing import Final

from prometheus_client import Counter, Gauge, Histogram

_LATENCY_MS: Final = (0.5, 1, 2, 5, 10, 20, 50, 100, 150, 250, 500, 750, 1_000, 2_500, 5_000, 15_000)


def _gauge(name: str, text: str, labels: Iterable[str] = ()) -> Gauge:
    return Gauge(name, text, tuple(labels), multiprocess_mode="mostrecent")


PORTFOLIO_VALUE = _gauge("portfolio_value_usd", "Cash and positions at the mid, in pUSD")
CASH = _gauge("cash_usd", "Cash, in pUSD")
DAILY_PNL = _gauge("daily_pnl_usd", "Change of equity since the start of the market day, in pUSD")
TOTAL_PNL = _gauge("total_pnl_usd", "Change of equity since the account started, in pUSD")
INCOME = _gauge("income_usd", "Cash that no trade explains and that is P&L (rewards, rebates), in pUSD", ("kind",))
REDEEMABLE = _gauge("redeemable_markets", "Decided markets whose payout has not come in")
TRIPPED = _gauge("order_breaker", "1 while too many orders have stopped all buying until a person releases it")
EXIT_WAITS = _gauge("exits_waiting", "Exits that have not been filled for longer than serving.exit_alarm_s")
WIN_RATE = _gauge("win_rate_percent", "Closed trades that earned money after fees, in per cent; 0 before the first")
SHARPE = _gauge("sharpe_ratio", "Sharpe ratio of bar returns of this session, annualised for 365 days")
DRAWDOWN = _gauge("drawdown_ratio", "Fall of equity from its durable peak, as a share of the peak")
MAX_DRAWDOWN = _gauge("max_drawdown_ratio", "Largest drawdown of this session, as a share of the peak")
EXPOSURE = _gauge("exposure_ratio", "Cost of positions and working buys over equity")
POSITIONS = _gauge("num_positions", "Markets with a position")
POSITION_SHARES = _gauge("position_shares", "Shares held; 0 once closed", ("market_id", "direction"))
POSITION_ENTRY = _gauge("position_entry_price", "Price of the held token at entry", ("market_id", "direction"))
POSITION_PNL = _gauge("position_pnl_usd", "Unrealised profit at the mid, in pUSD", ("market_id", "direction"))

NEWS_LAST = _gauge(
    "news_last_timestamp_seconds", "When a source last gave a headline that is new, wall Unix seconds", ("source",)
)
NEWS_ERRORS = Counter("news_errors", "Questions that a source of headlines or the scorer did not answer", ("part",))
LAST_NIGHT = _gauge("last_night_timestamp_seconds", "When a night last ended well here, wall Unix seconds")
BILLED = _gauge("billed_monthly_usd", "What AWS billed in the last days, as USD a month")
BILL_PLANNED = _gauge("billed_planned_monthly_usd", "What costs.monthly_usd plans for what AWS bills, USD a month")
BILL_LIMIT = _gauge("billed_limit_monthly_usd", "The plan times costs.bill_limit, USD a month")
DRIFTED = _gauge("drift_detected", "1 while the newest drift report says drift")
DRIFT_PSI = _gauge("drift_largest_psi", "Largest population stability index of the columns that decide")
DRIFT_SKILL = _gauge(
    "drift_skill", "Skill of the recent forecasts against the market price, in the newest drift report"
)
DRIFT_REFIT = _gauge(
    "drift_refit_share", "What the champion finds of what a filter fitted on other recent bars finds; 1 is all of it"
)

SHADOW_PNL = _gauge("shadow_pnl_usd", "Paper P&L of the bundle in shadow since it began, in pUSD")
SHADOW_EVIDENCE = _gauge("shadow_e_value", "Evidence that the bundle in shadow forecasts better, or worse", ("side",))
SHADOW_BARS = _gauge("shadow_bars", "Bars that the bundle in shadow has decided")

TRADES = Counter("trades_executed", "Fills booked")
ORDERS = Counter("orders", "Orders sent, by what the answer proved", ("answer",))
ORDERS_FAILED = Counter(
    "orders_failed", "Orders that the venue refused or left unknown (our own refusals do not count)"
)
REFUSALS = Counter("refusals", "Decisions refused by our limits", ("reason",))
FUNNEL = Counter("funnel", "Markets that each step from listing to fill let through, summed over bars", ("step",))
FUNNEL_LOST = Counter("funnel_lost", "Markets that a step lost, by reason, summed over bars", ("step", "reason"))
DECISIONS = Counter("decisions", "Decisions taken")

MESSAGES = Counter("messages", "Messages to people, by receiver and what became of them", ("receiver", "result"))

CONFIDENCE = _gauge("forecast_confidence", "Mean calibrated confidence over markets at the last bar")
CONFIDENCE_MAX = _gauge("forecast_confidence_max", "Largest calibrated confidence at the last bar")
ACCURACY = _gauge("forecast_accuracy", "Hit rate of the direction on h = 24 moves that happened; 0 before the first")
JUDGED = _gauge("forecast_moves_judged", "Moves behind forecast_accuracy")
PREDICTION_ERROR = _gauge("prediction_error", "Mean absolute error of the h = 24 price forecast, recent moves")
MODEL = _gauge("model_info", "1 for the bundle that trades", ("bundle", "policy"))
REDUCE_ONLY = _gauge("reduce_only", "1 while a precondition of trading is off and nothing is bought")
ARMED = _gauge("bot_armed", "1 when orders are sent, 0 in cash mode")

EXECUTION_LATENCY = Histogram(
    "execution_latency_ms", "Wall time of one order, from its signature to the venue's answer, ms", buckets=_LATENCY_MS
)
REFERENCE_PRICES = Counter("reference_prices", "Prices of underlyings that arrived")
REFERENCE_SILENCES = Counter("reference_silences", "Times that a source of reference prices fell silent or broke")
QUOTES_TAKEN_BACK = Counter("quotes_taken_back", "Quotes of a maker that were cancelled between two bars")
INGEST_LATENCY = Histogram("ingest_latency_ms", "Wall time to fold one batch of messages, ms", buckets=_LATENCY_MS)
FEATURES_LATENCY = Histogram("features_latency_ms", "Wall time of all features of one bar, ms", buckets=_LATENCY_MS)
FORECAST_LATENCY = Histogram("forecast_latency_ms", "Wall time of one batch forecast, ms", buckets=_LATENCY_MS)
DECIDE_LATENCY = Histogram("decide_latency_ms", "Wall time of all decisions of one bar, ms", buckets=_LATENCY_MS)
BAR_LATENCY = Histogram("bar_latency_ms", "Wall time from the close of a bar to its decisions, ms", buckets=_LATENCY_MS)

TICK_LATENCY = Histogram(
    "tick_latency_ms", "Wall time from a reference price to the decisions between two bars, ms", buckets=_LATENCY_MS
)

API_ERRORS = Counter("api_errors", "Requests that the venue did not answer as they should be", ("part",))
DISCONNECTS = Counter("websocket_disconnects", "Market streams that ended and were opened again")
MESSAGES_UNREAD = Counter(
    "messages_unread", "Market messages that could not be read or believed; their books are fetched anew"
)
STAMPS_REFUSED = Counter("stamps_refused", "Market messages whose time was far from the market time")
BARS_DROPPED = Counter(
    "bars_dropped", "Closed bars that were folded and not decided, because turns take longer than bars"
)
LISTING_LEFT_OUT = _gauge("listing_rows_left_out", "Rows of the last listing that could not be read")
FORBIDDEN = _gauge("venue_forbidden", "1 while the venue answers 403: nothing is bought")
BAR_AGE = _gauge("bar_age_seconds", "Wall time since the last bar closed")
MEMORY = _gauge("memory_usage_mb", "Resident memory of the live process, MB")
CPU = _gauge("cpu_usage_percent", "Processor use of the live process since the last bar, per cent of one core")
FEED_AGE = _gauge("feed_age_seconds", "Wall time since the last message of the market stream")
LAST_BAR = _gauge("last_bar_timestamp_seconds", "Wall time at which the last bar was decided")
MARKETS = _gauge("markets_followed", "Markets with a warm window")
LEDGER = _gauge("ledger_equals_venue", "1 equal to the base unit, 0 different, -1 not compared yet")
KILLED = _gauge("kill_switch", "1 while the kill switch is on")
PAUSED = _gauge("entries_paused", "1 while a person has paused entries")
REPLAY_DIFFERENT = _gauge(
    "replay_decisions_different", "Decisions of the last day that come out otherwise when replayed"
)
REPLAY_DECISIONS = _gauge("replay_decisions", "Decisions of the last day that were taken again from the journal")
REPLAY_MISSING = _gauge(
    "replay_decisions_missing", "Journaled bars of markets of the last day that could not be decided again"
)
REPLAY_COST_GAP = _gauge(
    "replay_cost_gap_usd", "What our fills of the last day were better by than the model's, in pUSD"
)
REPLAY_PNL_GAP = _gauge("replay_pnl_gap_usd", "P&L of our fills of the last day less that of the model's, in pUSD")


class Recent:
    """p50 and p95 of the newest values, for the dashboard (Prometheus has its own histograms)."""

    def __init__(self, size: int = 240) -> None:
        self._values: dict[str, deque[float]] = {}
        self._size = size

    def add(self, name: str, value: float) -> None:
        """Remember one value in milliseconds."""
        self._values.setdefault(name, deque(maxlen=self._size)).append(value)

    def quantiles(self) -> dict[str, tuple[float, float]]:
        """Name -> (p50, p95)."""
        return {name: (_quantile(values, 0.5), _quantile(values, 0.95)) for name, values in self._values.items()}


def _quantile(values: Iterable[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def count_messages(receiver: str, result: str, number: int) -> None:
    """Messages that a receiver took, did not take, or that were dropped because too many waited."""
    MESSAGES.labels(receiver, result).inc(number)
