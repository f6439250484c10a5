"""The quickstart of nautilus_trader, a crossover of two exponential averages, once per setting, on the prices given.

Argument: a JSON file with settings. With `bid` and `ask` the bars are made of quotes and orders fill at the touch.
Prints one JSON list: what was to be held, and what was gained until each bar, marked to mid.
"""

import json
import sys
from decimal import Decimal
from pathlib import Path

from nautilus_trader.backtest.engine import BacktestEngine, BacktestEngineConfig
from nautilus_trader.config import LoggingConfig, StrategyConfig
from nautilus_trader.indicators import ExponentialMovingAverage
from nautilus_trader.model.currencies import USD
from nautilus_trader.model.data import Bar, BarType, QuoteTick
from nautilus_trader.model.enums import AccountType, OmsType, OrderSide
from nautilus_trader.model.identifiers import InstrumentId, Venue
from nautilus_trader.model.objects import Money, Quantity
from nautilus_trader.test_kit.providers import TestInstrumentProvider
from nautilus_trader.trading.strategy import Strategy

SIM = Venue("SIM")
CASH = 1_000_000
MINUTE = 60_000_000_000
ENOUGH = Quantity.from_int(1_000_000)


class CrossConfig(StrategyConfig, frozen=True):
    """What is traded, on which bars, and how much of it."""

    instrument_id: InstrumentId
    bar_type: BarType
    trade_size: Decimal


class Cross(Strategy):
    """Long while the fast average is not below the slow one, else short; everything is closed at the end."""

    def __init__(self, config):
        super().__init__(config)
        self.fast, self.slow = ExponentialMovingAverage(10), ExponentialMovingAverage(20)
        self.wanted, self.gained, self.mid = [], [], 0.0

    def on_start(self):
        """Both averages follow the bars."""
        for average in (self.fast, self.slow):
            self.register_indicator_for_bars(self.config.bar_type, average)
        self.subscribe_bars(self.config.bar_type)

    def on_bar(self, bar):
        """Book what the last bar left, then turn where the averages have crossed."""
        self.book()
        self.mid = float(bar.close)
        wanted = 0
        if self.indicators_initialized():
            wanted = 1 if self.fast.value >= self.slow.value else -1
            self.turn(wanted)
        self.wanted.append(wanted)

    def turn(self, wanted):
        """Orders at the market from the present position to the wanted one."""
        name = self.config.instrument_id
        if (wanted > 0 and self.portfolio.is_net_long(name)) or (wanted < 0 and self.portfolio.is_net_short(name)):
            return
        if not self.portfolio.is_flat(name):
            self.close_all_positions(name)
        size = self.cache.instrument(name).make_qty(self.config.trade_size)
        side = OrderSide.BUY if wanted > 0 else OrderSide.SELL
        self.submit_order(self.order_factory.market(name, side, size))

    def book(self):
        """The balance and the open position at the last mid."""
        if self.wanted:
            opened = self.cache.positions_open()
            open_gain = sum(float(one.signed_qty) * (self.mid - float(one.avg_px_open)) for one in opened)
            balance = self.portfolio.account(SIM).balance_total(USD).as_double()
            self.gained.append(balance - CASH + open_gain)

    def on_stop(self):
        """Nothing stays open."""
        self.close_all_positions(self.config.instrument_id)


def data(setting, instrument):
    """Bars as they are given, or quotes from which the engine makes one bar each."""
    times = [(k + 1) * MINUTE for k in range(len(setting["close"]))]
    price = instrument.make_price
    if "bid" in setting:
        kind = BarType.from_str(f"{instrument.id}-1-TICK-MID-INTERNAL")
        quotes = zip(setting["bid"], setting["ask"], times, strict=True)
        return kind, [QuoteTick(instrument.id, price(b), price(a), ENOUGH, ENOUGH, t, t) for b, a, t in quotes]
    kind = BarType.from_str(f"{instrument.id}-1-MINUTE-LAST-EXTERNAL")
    rows = zip(*(setting[name] for name in ("open", "high", "low", "close")), times, strict=True)
    return kind, [Bar(kind, *map(price, row[:4]), ENOUGH, row[4], row[4]) for row in rows]


def play(setting):
    """One backtest."""
    engine = BacktestEngine(BacktestEngineConfig(logging=LoggingConfig(log_level="ERROR")))
    engine.add_venue(SIM, OmsType.NETTING, AccountType.MARGIN, [Money(CASH, USD)], USD, Decimal(1))
    instrument = free(TestInstrumentProvider.default_fx_ccy("EUR/USD", SIM))
    engine.add_instrument(instrument)
    kind, rows = data(setting, instrument)
    engine.add_data(rows)
    strategy = Cross(CrossConfig(instrument_id=instrument.id, bar_type=kind, trade_size=Decimal(100_000)))
    engine.add_strategy(strategy)
    engine.run()
    strategy.book()
    strategy.wanted[-1] = 0
    engine.dispose()
    return {"wanted": strategy.wanted, "gained": strategy.gained}


def free(instrument):
    """The same instrument without fees, as the quickstart defines it."""
    described = type(instrument).to_dict(instrument) | {"maker_fee": "0", "taker_fee": "0"}
    return type(instrument).from_dict(described)


settings = json.loads(Path(sys.argv[1]).read_text())
print(json.dumps([play(setting) for setting in settings]))
