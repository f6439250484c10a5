"""Command bots: temporal arbitrage and spike fading on a recording, through decide(), after costs."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.guide_bots import hourly_recording
from pipelines.core import log
from pipelines.core.artifacts import write_json
from pipelines.core.money import MICRO
from pipelines.core.params import Params, load
from pipelines.core.products import report_json
from pipelines.replay import rules, trials
from pipelines.replay.loop import Tape, replay, tape
from pipelines.replay.performance import Figures, figures
from pipelines.trading.sizing import NO_SIGNALS

REPORT = report_json("bots")
KINDS = ("cash", "buy_and_hold", "temporal_arbitrage", "micro_trades", "ensemble", "systematic", "spike_fading")
LENGTH_S = 60
LAST_BARS = 5
"""Nothing is opened in the last bars of an hourly market."""


def run(path: Path) -> None:
    """Replay every bot on the recording, log a line each and write the report."""
    params = load()
    read = hourly_recording.read(path)
    made = tape(read, None, params.execution.model_depth_shares)
    table: dict[str, Any] = {}
    for kind in KINDS:
        row = judge(kind, made, params)
        table[kind] = row.document()
        trials.append("bots", {"policy": kind, "recording": path.name}, row.document())
        log.get("bots").info(kind, pnl_pusd=row.pnl_pusd, round_trips=row.round_trips, fees_pusd=row.fees_pusd)
    known = float(np.mean([np.isfinite(past.fair[:, 0]).mean() for past in read if past.fair is not None]))
    if known == 0.0:
        log.get("bots").warning("no fair price at any bar: temporal arbitrage could not trade; check the column spot")
    document = {"recording": path.name, "markets": len(read), "market_bars": made.bars, "strategies": table}
    write_json(REPORT, document | {"bars_with_fair_price": known, "cash_pusd": params.backtest.cash_pusd})


def judge(kind: str, made: Tape, params: Params) -> Figures:
    """One policy's figures on the account of the backtest."""
    strategy = replace(rules.make(kind, params, NO_SIGNALS, None, LENGTH_S), horizon_bars=LAST_BARS)
    cash = params.backtest.cash_pusd * MICRO
    return figures(replay(made, strategy, cash), cash, LENGTH_S)
