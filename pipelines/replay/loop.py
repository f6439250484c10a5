"""Event-driven replay: many markets, one cash account, every bar through `decide`, fills after the latency."""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from pipelines.core.domain import Bar, Fill, Forecast, Market, Position, Quote
from pipelines.decide import Account, Decision, Rules, decide, in_turn, reserve, takes_back
from pipelines.replay.market_history import History, references
from pipelines.trading import incentives, kernel
from pipelines.trading.ledger import Closed, Ledger
from pipelines.trading.observation import MarketScaler
from pipelines.trading.paper import PaperBook
from pipelines.trading.policies.base import Inputs

DAY_S = 86_400

AUTOMATIC_S = 120
"""Markets of a reference price pay about so long after their end (a minute by the venue's word, and one to redeem)."""


@dataclass(frozen=True)
class Tape:
    """The inputs of all bars of all markets, grouped by time: built once, replayed by every strategy."""

    steps: tuple[tuple[int, tuple[Inputs, ...]], ...]
    markets: dict[str, Market]
    ends_s: dict[str, int]
    """Market id -> time of its last bar."""
    payouts_micro: dict[str, int]
    """Market id -> payout of a YES share, of those that were resolved at their last bar."""

    @property
    def bars(self) -> int:
        """Number of market-bars."""
        return sum(len(inputs) for _, inputs in self.steps)


@dataclass(slots=True)
class Result:
    """What a replay did. `equity_micro[k]` is the account after the fills of `ts_s[k]`, marked to mid."""

    ts_s: list[int] = field(default_factory=list)
    equity_micro: list[int] = field(default_factory=list)
    at_stake_micro: list[int] = field(default_factory=list)
    fills: list[Fill] = field(default_factory=list)
    closed: list[Closed] = field(default_factory=list)
    refusals: dict[str, int] = field(default_factory=dict)
    orders: int = 0
    decisions: int = 0
    fees_micro: int = 0
    open_pnl_micro: dict[str, int] = field(default_factory=dict)
    """Market id -> mark less cost of what was still held at the end."""
    held: dict[str, Position] = field(default_factory=dict)
    """Market id -> what was still held at the end."""
    income_micro: dict[str, dict[str, int]] = field(default_factory=dict)
    """Kind (rebates, rewards) -> market id -> what the venue paid for orders that rested."""
    merged_micro: int = 0
    """Pairs of YES and NO that a maker turned back into pUSD."""


def tape(histories: Sequence[History], scaler: MarketScaler | None, depth_shares: int) -> Tape:
    """Inputs in the order in which time passes; within one time, markets in the order given."""
    depth = depth_shares * 1_000_000
    columns = [_inputs(history, scaler, depth) for history in histories]
    ts_s = np.concatenate([history.ts_s for history in histories])
    flat = [inputs for column in columns for inputs in column]
    order = np.argsort(ts_s, kind="stable")
    sorted_ts = ts_s[order]
    edges = [0, *(np.flatnonzero(np.diff(sorted_ts)) + 1).tolist(), len(order)]
    steps = tuple(
        (int(sorted_ts[left]), tuple(flat[i] for i in order[left:right].tolist()))
        for left, right in itertools.pairwise(edges)
    )
    return Tape(
        steps,
        {one.market.market_id: one.market for one in histories},
        {one.market.market_id: int(one.ts_s[-1]) for one in histories},
        {one.market.market_id: one.payout_micro for one in histories if one.payout_micro is not None},
    )


def _inputs(history: History, scaler: MarketScaler | None, depth: int) -> list[Inputs]:
    market = history.market
    standard = scaler.market(history.features, history.sentiment) if scaler is not None else [None] * len(history)
    made, marks, (fair, ages) = [], history.marks_units, references(history)
    gaps = history.micro_gap
    recorded = np.zeros((len(history), 2), dtype=np.int64) if history.sizes_micro is None else history.sizes_micro
    implied = np.full((len(history), 2), np.nan) if history.fair is None else history.fair
    stated = np.full(len(history), np.nan) if history.external is None else history.external
    for k in range(len(history)):
        bid, ask = int(history.bid_units[k]), int(history.ask_units[k])
        bar = Bar(
            market.market_id,
            int(history.ts_s[k]),
            int(marks[k]),
            int(history.volume_micro[k]),
            0,
            int(history.spread_units[k]),
        )
        shown = kernel.shown_micro(depth, ask - bid, market.tick_units)
        sizes = [kernel.touch_micro(size, shown) for size in recorded[k].tolist()]
        quote = Quote(bid, ask, sizes[0] if bid > 0 else 0, sizes[1] if ask < 10_000 else 0)
        implied_now, implied_before = (float(one) if np.isfinite(one) else None for one in implied[k])
        forecast = Forecast(history.mean[k], history.lower[k], history.upper[k], float(history.confidence[k]))
        made.append(
            Inputs(
                market,
                bar,
                quote,
                history.features[k],
                forecast,
                float(history.sentiment[k]),
                0,
                standard[k],
                implied_now,
                implied_before,
                reference_units=int(fair[k]),
                reference_age_s=int(ages[k]),
                recorded_micro_gap=float(gaps[k]),
                external=float(stated[k]) if np.isfinite(stated[k]) else None,
            )
        )
    return made


def replay(
    tape: Tape, rules: Rules, cash_micro: int, watch: Callable[[Inputs, Decision], None] | None = None
) -> Result:
    """Run one strategy over a tape. `watch` sees every decision.

    After its last bar a market is neither traded nor decided. What is held of it is worth its payout where it was
    resolved, and is redeemed `execution.redemption_s` later; until then, and where nobody knows the payout, it locks
    its money and its place among `risk.max_markets`. What is held at the end is marked.
    """
    ledger, book, result, earned = (
        Ledger(cash_micro),
        PaperBook(rules.execution, rules.bar_length_s),
        Result(),
        incentives.Earned(),
    )
    mids: dict[str, int] = {}
    day, day_start, peak, equity = -1, cash_micro, cash_micro, cash_micro
    for ts_s, bars in tape.steps:
        filled = _fill(bars, ts_s, ledger, book, mids, result)
        if rules.makes:
            ledger.earn(earned.pay(ts_s // DAY_S))
            _merge(filled, ts_s, ledger, result)
            _earn(bars, filled, rules, book, earned)
        _end(bars, ts_s, tape, book)
        _redeem(ts_s, tape, ledger, rules.execution.redemption_s)
        if ledger.holdings or ledger.cash_micro != equity:
            equity = ledger.equity_micro(mids)
        peak = max(peak, equity)
        if ts_s // DAY_S != day:
            day, day_start = ts_s // DAY_S, equity
        open_buys = book.open_buys()
        result.ts_s.append(ts_s)
        result.equity_micro.append(equity)
        result.at_stake_micro.append(equity - ledger.cash_micro)
        account = Account(
            cash_micro=ledger.cash_micro,
            equity_micro=equity,
            positions=ledger.positions,
            open_buy_micro=open_buys,
            markets=tape.markets,
            day_start_equity_micro=day_start,
            peak_equity_micro=peak,
        )
        for inputs in in_turn(bars, rules):
            if tape.ends_s[inputs.bar.market_id] > ts_s:
                _decide(inputs, account, rules, book, open_buys, result, watch)
    if rules.makes:
        result.equity_micro[-1] += earned.pay(day + 1)
        result.income_micro = earned.paid
    _close(ledger, mids, result)
    return result


def _merge(filled: list[tuple[Fill, Market]], ts_s: int, ledger: Ledger, result: Result) -> None:
    """Turn pairs that a maker's two bids bought into pUSD, before the next decision: the venue's relayer needs seconds
    and takes nothing."""
    for market_id in dict.fromkeys(fill.market_id for fill, _ in filled):
        pairs = ledger.pairs_micro(market_id)
        if pairs:
            ledger.merge(market_id, pairs, ts_s)
            result.merged_micro += pairs


def _earn(
    bars: tuple[Inputs, ...],
    filled: list[tuple[Fill, Market]],
    rules: Rules,
    book: PaperBook,
    earned: incentives.Earned,
) -> None:
    """Note what the fills of resting orders and the orders that rest on this bar earn."""
    for fill, market in filled:
        earned.add("rebates", fill.market_id, incentives.rebate_micro(fill, market))
    for inputs in bars:
        market = inputs.market
        if market.rewards.day_micro and market.market_id in book.working:
            resting = [one for one in book.working[market.market_id] if one.ahead_micro >= 0]
            orders = [(one.intent.outcome, one.intent.side, one.intent.price_units, one.left_micro) for one in resting]
            part = incentives.pool_share(market, inputs.quote, orders)
            earned.add("rewards", market.market_id, part * market.rewards.day_micro * rules.bar_length_s / DAY_S)


def _fill(
    bars: tuple[Inputs, ...], ts_s: int, ledger: Ledger, book: PaperBook, mids: dict[str, int], result: Result
) -> list[tuple[Fill, Market]]:
    working, positions, filled = book.working, ledger.positions, []
    for inputs in bars:
        bar, fair = inputs.bar, inputs.reference_units
        market_id = bar.market_id
        mids[market_id] = bar.mid_units
        if market_id in working:
            for fill in book.on_bar(market_id, inputs.quote, ts_s, bar.volume_micro, inputs.fair):
                ledger.apply(fill, fair, book.reasons[fill.order_id], inputs.market.min_size_micro)
                result.fills.append(fill)
                filled.append((fill, inputs.market))
        if market_id in positions:
            ledger.mark(market_id, fair)
    return filled


def _end(bars: tuple[Inputs, ...], ts_s: int, tape: Tape, book: PaperBook) -> None:
    """Orders that still work when their market has ended are cancelled."""
    for inputs in bars:
        if tape.ends_s[inputs.bar.market_id] == ts_s:
            book.working.pop(inputs.bar.market_id, None)


def _redeem(ts_s: int, tape: Tape, ledger: Ledger, wait_s: int) -> None:
    """Pay what is resolved. A market of a reference price resolves by itself, without the oracle's two hours."""
    held = [one for one in ledger.positions if one in tape.payouts_micro]
    waits = {one: wait_s if tape.markets[one].settlement is None else min(wait_s, AUTOMATIC_S) for one in held}
    for market_id in [one for one in held if ts_s >= tape.ends_s[one] + waits[one]]:
        ledger.settle(market_id, tape.payouts_micro[market_id], ts_s)


def _decide(
    inputs: Inputs,
    account: Account,
    rules: Rules,
    book: PaperBook,
    open_buys: dict[str, int],
    result: Result,
    watch: Callable[[Inputs, Decision], None] | None,
) -> None:
    """One decision; its order works from now on, so that the next market sees the cash and room it takes."""
    if inputs.market.market_id in book.working:
        for order in book.working[inputs.market.market_id]:
            if takes_back(inputs, account, rules, order.intent.outcome, order.intent.side):
                book.cancel(order)
        return
    decision = decide(inputs, account, rules)
    result.decisions += 1
    if watch is not None:
        watch(inputs, decision)
    if decision.refusal is not None:
        name = decision.refusal.reason.value
        result.refusals[name] = result.refusals.get(name, 0) + 1
    for intent in decision.intents:
        book.send(intent, inputs.market, inputs.quote if rules.makes else None, inputs.fair)
        result.orders += 1
        reserve(intent, inputs.market, open_buys)


def _close(ledger: Ledger, mids: dict[str, int], result: Result) -> None:
    result.closed, result.held = ledger.closed, dict(ledger.positions)
    result.fees_micro = int(ledger.fees * 1_000_000)
    for position in ledger.positions.values():
        price = mids[position.market_id] if position.outcome == "YES" else 10_000 - mids[position.market_id]
        result.open_pnl_micro[position.market_id] = position.shares_micro * price // 10_000 - position.cost_micro
