"""Book events per second of nautilus_trader: one JSON line."""

import json
import time

from nautilus_trader.backtest.engine import BacktestEngine, BacktestEngineConfig
from nautilus_trader.config import LoggingConfig
from nautilus_trader.model.currencies import USD
from nautilus_trader.model.data import BookOrder, OrderBookDelta
from nautilus_trader.model.enums import AccountType, BookAction, BookType, OmsType, OrderSide
from nautilus_trader.model.identifiers import Venue
from nautilus_trader.model.objects import Money, Price, Quantity
from nautilus_trader.test_kit.providers import TestInstrumentProvider

count, venue, speeds = 200_000, Venue("SIM"), []
instrument = TestInstrumentProvider.default_fx_ccy("EUR/USD", venue)


def delta(k):
    """One change of a level."""
    side, sign = (OrderSide.BUY, -1) if k % 2 else (OrderSide.SELL, 1)
    price = Price(1.0001 + sign * (1 + k % 20) * 1e-5, 5)
    order = BookOrder(side, price, Quantity(1000 + k % 50, 0), 0)
    return OrderBookDelta(instrument.id, BookAction.UPDATE, order, 0, k, k * 1_000_000, k * 1_000_000)


deltas = [delta(k) for k in range(count)]
for _ in range(2):
    engine = BacktestEngine(BacktestEngineConfig(logging=LoggingConfig(log_level="ERROR")))
    cash = [Money(1_000_000, USD)]
    engine.add_venue(
        venue, OmsType.NETTING, AccountType.MARGIN, base_currency=USD, starting_balances=cash, book_type=BookType.L2_MBP
    )
    engine.add_instrument(instrument)
    engine.add_data(deltas)
    began = time.perf_counter()
    engine.run()
    speeds.append(count / (time.perf_counter() - began))
    engine.dispose()
print(json.dumps({"nautilus_events_per_s": round(max(speeds), 1)}))
