"""All faults: name, effect, and options."""

from dataclasses import dataclass, field
from typing import Any

from pipelines.core.errors import ParameterError

KINDS: dict[str, str] = {
    # answers of the CLOB
    "restart": "425 on order routes for for_s, then post-only mode for post_only_s (120; market time after for_min)",
    "post_only": "503 post_only_mode for orders that are not post-only",
    "cancel_only": "503 for new orders; cancels work",
    "disabled": "503 on all order routes (short: 1 for the shorter of the two documented texts)",
    "rate_limit": "429 with Retry-After and Poly-RateLimit headers (retry_after_s: 1)",
    "order_timeout": "500 `order timed out` before the book",
    "engine_error": "500 with one of the engine's other texts; with placed: 1 the order is on the book anyway",
    "match_delayed": "400 `order match delayed due to market conditions` for crossing orders",
    "crossing_refused": "400 `order {id} crosses the book` for crossing orders",
    "lost_answer": "orders are processed, the answer never comes (hold_s: 10)",
    "late_answer": "orders are processed at once, the answer comes delay_s (1) later",
    "slow": "every answer is delayed by delay_s (1)",
    "forbidden": "403 HTML page of a proxy on POST and DELETE; with reads: 1 on every request",
    "geoblock": "403 JSON of a regional block on POST and DELETE; /api/geoblock says blocked",
    "delayed_with_words": "orders are answered `success: true` with the hash, status delayed and a text in errorMsg;"
    " with lives: 0 the order is not placed",
    "odd_status": "the answer to a placed order has a status that does not tell whether it was placed",
    "clock_skew": "the venue's wall clock is wrong by skew_s (30)",
    "route_retired": "requests of paths that begin with `route` are answered with status (410, or 404) and an error"
    " text",
    "contract_retired": "orders signed for the exchange contract of domain `version` (2) are refused, and so are calls"
    " of the retired adapters through the relayer",
    # streams
    "ws_freeze": "sockets stay open and answer PING, but send no other message",
    "ws_drop": "sockets are closed",
    "ws_duplicate": "every message is sent twice",
    "ws_reorder": "messages of a frame are shuffled, and every other frame is held back behind the next",
    "token_silent": "no message about one market (`market`) or one token (`token`) is sent; other messages are",
    "odd_frames": "messages of the market channel are replaced by ones that cannot be read (`variant`: null_best_bid,"
    " old_changes, unknown_event, list_for_object, not_json, truncated; any when left out)",
    "odd_stamps": "messages carry a timestamp in another `unit` (s, us, ns; any when left out)",
    "reference_frozen": "the socket of reference prices and the exchange's stream repeat the last price of each asset"
    " with new times (`topic`: only crypto_prices, crypto_prices_chainlink or exchange; so for the next three)",
    "reference_jump": "prices of these are wrong by share (0.0019)",
    "reference_wrong_asset": "these say of each asset the price of another one, or a tenth of its own",
    "reference_silent": "these stay open and say nothing",
    # books
    "asks_gone": "the market maker's asks are gone in `market`",
    "bids_gone": "the market maker's bids are gone in `market`",
    "empty_books": "the market maker is gone in every market (or `market`), as in a maintenance",
    "ghost_book": "the market maker shows in `market` only a bid for 5 shares at the smallest price",
    "crossed_snapshot": "books of `market`, by /book and on the stream, show a bid of 0.60 above an ask of 0.40",
    "book_vanishes": "the market maker leaves before_s (60) of market time before the scheduled end of a market",
    "spend_sums": "noise traders spend sums of pUSD: resting orders are filled with 4 to 6 decimals of shares"
    " (decimals: 4, 5 or 6)",
    "tick_change": "once: the tick of `market` becomes tick_units (10), and does not change again",
    "tick_missed": "once: sockets are closed, the tick of `market` becomes tick_units (10), and no message is"
    " sent about it",
    "close_market": "once: `market` stops taking orders, resting ones are cancelled",
    # settlement and the account
    "stale_balance": "balances stay as they were until /balance-allowance/update; with orders: 1 orders are checked"
    " against them",
    "settlement_fails": "trades go MATCHED, RETRYING, FAILED and are undone",
    "settlement_fails_winners": "trades go RETRYING, then FAILED if their price has moved in favour of the outside"
    " account meanwhile, else CONFIRMED",
    "settlement_fails_then_confirms": "trades go MATCHED, RETRYING, FAILED, and later CONFIRMED",
    "settlement_retries": "trades go MATCHED, RETRYING, MINED, CONFIRMED",
    "batch_reverts": "all trades of orders that were sent in one batch fail",
    "leg_reverts": "the second leg fails: every second order of a batch, every second trade of an account otherwise",
    "trades_empty": "/data/trades answers with an empty list (count: how often)",
    "trades_incomplete": "/data/trades leaves out the newest trades (rows: 1)",
    "sports_delay": "crossing orders of `market` (all when absent) wait delay_s (1) with status delayed",
    "taker_delay": "requests with crossing orders of `market` (all when absent) are held delay_s (0.15); itode says so",
    "relayer_fails": "transactions of the relayer end in STATE_FAILED and change nothing",
    "relayer_busy": "POST /submit is refused: `wallet has in-flight action`",
    "reward": "once: every outside account gets micro (1000000) base units, REWARD in the activity",
    "rebate": "once: every outside account gets micro (1000000) base units, MAKER_REBATE in the activity (taker: 1 for"
    " TAKER_REBATE)",
    "deposit": "once: micro (1000000) base units arrive in every outside account, DEPOSIT in the activity",
    "withdrawal": "once: micro (1000000) base units leave every outside account that has them, WITHDRAWAL in the"
    " activity",
    # the end of a market
    "resolve_early": "once: `market` resolves now, to payout (1, 0 or 0.5; drawn by its price when left out)",
    "resolve_half": "once: `market` resolves 50-50 now; the message names a winner",
    "decided_away": "once: sockets are closed and `market` resolves before clients reconnect; no message is sent"
    " about it",
    "resolve_late": "markets resolve delay_min (60) market minutes after their end; until then they are closed with"
    " status proposed",
    "resolve_disputed": "the same with status disputed; with flip: 1 they then resolve the other way",
    "resolution_unsaid": "no message is sent about a resolution",
    "wrong_winner": "the message of a resolution names the loser",
    # listings and history
    "gamma_odd": "a share (probability: 0.02) of Gamma's records is odd: null, text, lists, missing keys, a token twice"
    " (`record` for only one kind)",
    "gamma_empty": "Gamma lists nothing",
    "gamma_duplicates": "Gamma's pages overlap and repeat records",
    "gamma_cursor": "Gamma's next_cursor is the same for ever",
    "gamma_error": "502 with an HTML page on Gamma",
    "data_error": "502 with an HTML page on the Data API",
    "history_cursor": "next_cursor of the Data API's history and trades is the same for ever",
    "history_overlap": "pages of the Data API's history and trades begin with rows of the page before (rows: 5)",
    "history_nulls": "rows of the Data API's history and trades have nulls (probability)",
    "fee_change": "once: the taker fee rate of `market` becomes rate (0.1)",
    "min_size_change": "once: the minimum size of `market` becomes shares (15)",
    "end_change": "once: the shown end of `market` moves by minutes (-60); trading ends as before",
    "no_end": "once: `market` no longer shows an end",
    "rules_change": "once: the text of the rules of `market` changes",
}

ONCE = frozenset(name for name, text in KINDS.items() if text.startswith("once: "))

ONE_MARKET = frozenset(
    {"asks_gone", "bids_gone", "ghost_book", "crossed_snapshot", "tick_change", "tick_missed", "close_market",
     "resolve_early", "resolve_half", "decided_away", "fee_change", "min_size_change", "end_change", "no_end",
     "rules_change", "token_silent"}
)  # fmt: skip
"""Faults of one market. Without `market` one is drawn, if possible a market in which outside accounts are active."""

SHARES_OF_RECORDS = {"gamma_odd": 0.02, "history_nulls": 0.02}
"""Default probabilities of faults of single records. The default of all other faults is 1."""

NUMBERS = (
    "for_s", "for_min", "post_only_s", "retry_after_s", "hold_s", "delay_s", "delay_min", "before_s", "skew_s",
    "probability", "tick_units", "count", "short", "placed", "reads", "lives", "orders", "decimals", "rows", "status",
    "version", "micro", "taker", "payout", "flip", "rate", "share", "shares",
    "minutes",
)  # fmt: skip

FRAMES = ("null_best_bid", "old_changes", "unknown_event", "list_for_object", "not_json", "truncated")
UNITS = ("s", "us", "ns")
RECORDS = (
    "tokens_null", "tokens_list", "tokens_same", "min_size_text", "event_without_slug", "tag_without_label",
    "no_fee_schedule", "tiny_tick", "key_missing", "key_null", "list_for_text", "closed_without_prices",
    "record_null", "record_text", "no_end",
)  # fmt: skip

TOPICS = ("crypto_prices", "crypto_prices_chainlink", "exchange")

WORDS: dict[str, tuple[str, ...]] = {
    "variant": FRAMES,
    "unit": UNITS,
    "record": RECORDS,
    "token": (),
    "route": (),
    "topic": TOPICS,
}
"""Options that are texts, with the allowed values; an empty tuple allows any text."""

FOREVER = float("inf")


@dataclass(slots=True, eq=False)
class Fault:
    """One fault that is on.

    `until_s` is wall time, `until_market_s` market time. `left` is how many more times it strikes; -1 means no limit.
    """

    name: str
    kind: str
    until_s: float = FOREVER
    until_market_s: float = FOREVER
    probability: float = 1.0
    left: int = -1
    market: str = ""
    options: dict[str, float] = field(default_factory=dict)
    words: dict[str, str] = field(default_factory=dict)

    def number(self, name: str, default: float) -> float:
        """A numeric option."""
        return self.options.get(name, default)

    def covers(self, market_id: str) -> bool:
        """Whether the fault applies to a market: it names that market or none."""
        return self.market in ("", market_id)

    def concerns(self, topic: str) -> bool:
        """Whether the fault applies to a topic of reference prices: it names that topic or none."""
        return self.words.get("topic", topic) == topic


def parse(document: Any, name: str, wall_s: float, market_s: int = 0) -> Fault:
    """A fault from JSON such as {"fault": "slow", "delay_s": 2, "for_s": 60}.

    Raises:
        ParameterError: if something is wrong; the text names the key, the value received and what is allowed.
    """
    if not isinstance(document, dict) or document.get("fault") not in KINDS:
        received = document.get("fault") if isinstance(document, dict) else document
        raise ParameterError(f"fault was {received!r}; choose one of {', '.join(KINDS)}")
    options: dict[str, float] = {}
    words: dict[str, str] = {}
    for key, value in document.items():
        if key in ("fault", "market", "at_s", "at_min"):
            continue
        if key in WORDS:
            words[key] = _word(key, value)
        else:
            options[key] = _number(key, value)
    market = document.get("market", "")
    if not isinstance(market, str):
        raise ParameterError(f"market was {market!r}; give a condition id")
    kind = document["fault"]
    lasting, minutes = options.get("for_s"), options.get("for_min")
    return Fault(
        name=name,
        kind=kind,
        until_s=FOREVER if lasting is None else wall_s + lasting,
        until_market_s=FOREVER if minutes is None else market_s + minutes * 60,
        probability=options.get("probability", SHARES_OF_RECORDS.get(kind, 1.0)),
        left=int(options.get("count", -1)),
        market=market.lower(),
        options=options,
        words=words,
    )


def _number(key: str, value: Any) -> float:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if key not in NUMBERS or not is_number or not -1e12 < value < 1e12:
        raise ParameterError(f"{key} was {value!r}; a fault takes the numbers {', '.join(NUMBERS)}")
    return float(value)


def _word(key: str, value: Any) -> str:
    allowed = WORDS[key]
    if not isinstance(value, str) or not value or (allowed and value not in allowed):
        raise ParameterError(f"{key} was {value!r}; give {' or '.join(allowed) if allowed else 'a text'}")
    return value
