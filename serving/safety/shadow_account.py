"""The paper account of a bundle in shadow: the same bars, quotes, costs and limits, but no real orders."""

from collections.abc import Mapping, Sequence

from pipelines.core.domain import Market, Quote
from pipelines.core.money import MICRO, PRICE_SCALE
from pipelines.core.params import Params
from pipelines.decide import Account
from pipelines.trading.ledger import Ledger
from pipelines.trading.paper import PaperBook
from serving.loaded_model import LoadedModel, Turn, WarmMarket, take_turn

DAY_S = 86_400
UNIT_MICRO = MICRO // PRICE_SCALE


class ShadowAccount:
    """Paper cash and positions; orders are filled from the quotes of the next bars, as in the backtest."""

    def __init__(self, params: Params, cash_micro: int, length_s: int) -> None:
        self._ledger = Ledger(cash_micro)
        self._book = PaperBook(params.execution, length_s)
        self._mids: dict[str, int] = {}
        self._markets: dict[str, Market] = {}
        self._first = self._peak = self._day_start = cash_micro
        self._day = -1
        self.equity_micro = cash_micro

    @property
    def pnl_pusd(self) -> float:
        """Change of the paper equity since the start."""
        return (self.equity_micro - self._first) / MICRO

    @property
    def drawdown(self) -> float:
        """Drawdown: the fall from the peak, as a share of the peak."""
        return max(0.0, 1.0 - self.equity_micro / self._peak)

    def turn(self, model: LoadedModel, ts_s: int, seen: Sequence[WarmMarket], quotes: Mapping[str, Quote]) -> Turn:
        """Fill earlier orders, mark positions to the mids, decide the bar, and add its orders to the paper book."""
        self._fill(seen, ts_s)
        if model.rules.makes:
            self._merge(ts_s)
        self._mark(ts_s, quotes)
        account = Account(
            cash_micro=self._ledger.cash_micro,
            equity_micro=self.equity_micro,
            positions=self._ledger.positions,
            open_buy_micro=self._book.open_buys(),
            markets=self._markets,
            day_start_equity_micro=self._day_start,
            peak_equity_micro=self._peak,
        )
        made = take_turn(model, ts_s, seen, account, frozenset(self._book.working))
        shown = {one.market.market_id: (one.quote, one.fair[0]) for one in seen}
        for decision in made.decisions:
            for intent in decision.intents:
                key = decision.market_id
                quote, fair = shown[key]
                self._book.send(intent, self._markets[key], quote if model.rules.makes else None, fair)
        return made

    def _fill(self, seen: Sequence[WarmMarket], ts_s: int) -> None:
        for one in seen:
            key, market = one.market.market_id, one.market
            self._markets[key] = market
            self._mids[key] = one.window.last.mid_units
            for fill in self._book.on_bar(key, one.quote, ts_s, one.window.last.volume_micro, one.fair[0]):
                self._ledger.apply(fill, self._mids[key], self._book.reasons[fill.order_id], market.min_size_micro)

    def _merge(self, ts_s: int) -> None:
        for key in self._markets:
            if pairs := self._ledger.pairs_micro(key):
                self._ledger.merge(key, pairs, ts_s)

    def _mark(self, ts_s: int, quotes: Mapping[str, Quote]) -> None:
        for key in tuple(self._ledger.positions):
            if key in quotes:
                self._mids[key] = quotes[key].mid_units
            self._ledger.mark(key, self._mids[key])
            end_s = self._markets[key].end_s
            if end_s is not None and ts_s > end_s:
                # The rules sell before the end. Shares that could not be sold keep their last mid, because paper is not
                # redeemed.
                self._book.working.pop(key, None)
                self._ledger.settle(key, self._mids[key] * UNIT_MICRO, ts_s)
        self.equity_micro = self._ledger.equity_micro(self._mids)
        if ts_s // DAY_S != self._day:
            self._day, self._day_start = ts_s // DAY_S, self.equity_micro
        self._peak = max(self._peak, self.equity_micro)
