"""Order operations per second of the matching engine, and of a peer from PyPI on the same stream of operations.

The stream is 60 % resting placements, 30 % cancels and 10 % crossing placements, in one market, made beforehand from
a seed. Our engine does all of its work: backing of both sides, fees, mint matches, settlement. The peer keeps a book
and nothing else. Prints one JSON line.

    python -m benchmarks.matching [--operations N] [--seed S] [--no-peer]
"""

import argparse
import gc
import json
import random
import subprocess
import sys
import time
import venv
from pathlib import Path
from statistics import median

from pipelines.core.domain import FeeSchedule, Outcome, Side
from pipelines.core.money import MICRO, PRICE_SCALE
from simulator.engine.audit import audit
from simulator.engine.exchange import Exchange
from simulator.engine.orders import Order
from simulator.markets.source import Listing

PEER = "lightmatchingengine"
PEER_HOME = Path("var/benchmarks/peer")

Operation = tuple[str, int, int, int]
"""kind (rest, cross, cancel), is_bid or index of the order to cancel, price in units, shares."""


def stream(count: int, seed: int) -> list[Operation]:
    """Operations around a mid of 0.50: rests within 20 ticks of it, crossings up to 3 ticks beyond it."""
    chance = random.Random(seed)
    made: list[Operation] = []
    placed: list[int] = []
    for _ in range(count):
        draw = chance.random()
        is_bid = chance.randrange(2)
        if draw < 0.3 and placed:
            index = chance.randrange(len(placed))
            placed[index], placed[-1] = placed[-1], placed[index]
            made.append(("cancel", placed.pop(), 0, 0))
        elif draw < 0.9 or not placed:
            offset = chance.randrange(1, 21) * 100
            placed.append(len(made))
            made.append(("rest", is_bid, 5000 - offset if is_bid else 5000 + offset, chance.randrange(5, 50)))
        else:
            made.append(("cross", is_bid, 5300 if is_bid else 4700, chance.randrange(5, 20)))
    return made


def engine_run(operations: list[Operation]) -> tuple[float, float, int]:
    """Operations per second of wall and of CPU time, and the number of trades. Orders exist before the clock starts."""
    listing = Listing(
        "0x" + "1" * 64, "event", "Event", "Question?", "slug", "1", "2", 100, 5 * MICRO, FeeSchedule(0.05), "Crypto",
        0, 1,
    )  # fmt: skip
    exchange = Exchange(deposit_micro=10**16)
    exchange.settle_at_once = True
    exchange.list_market(listing)
    makers = [exchange.account(f"0x{n:040x}") for n in range(20)]
    orders: dict[int, Order] = {}
    for index, (kind, is_bid, price, shares) in enumerate(operations):
        if kind != "cancel":
            outcome = Outcome.YES if is_bid else Outcome.NO
            own = price if is_bid else PRICE_SCALE - price
            token = listing.token_yes if is_bid else listing.token_no
            orders[index] = Order(
                f"0x{index:064x}", makers[index % 20], listing.market_id, token, outcome, Side.BUY, own, shares * MICRO
            )
    trades = 0
    gc.collect()
    gc.freeze()
    begin, cpu = time.perf_counter(), time.process_time()
    for index, (kind, target, _, _) in enumerate(operations):
        if kind == "cancel":
            order = orders[target]
            if order.order_id in exchange.orders:
                exchange.cancel(order)
        else:
            trades += len(exchange.place(orders[index]))
    taken, used = time.perf_counter() - begin, time.process_time() - cpu
    wrong = audit(exchange)
    if wrong:
        raise SystemExit(f"books do not balance after the run: {wrong[0]}")
    return len(operations) / taken, len(operations) / used, trades


PEER_SCRIPT = """
import json, sys, time
from lightmatchingengine.lightmatchingengine import LightMatchingEngine, Side
operations = json.load(sys.stdin)
engine, orders, trades = LightMatchingEngine(), {}, 0
begin, cpu = time.perf_counter(), time.process_time()
for index, (kind, target, price, shares) in enumerate(operations):
    if kind == "cancel":
        if orders[target].leaves_qty:
            engine.cancel_order(orders[target].order_id, "m")
    else:
        order, made = engine.add_order("m", price, shares, Side.BUY if target else Side.SELL)
        orders[index] = order
        trades += len(made)
print(json.dumps([len(operations) / (time.perf_counter() - begin), len(operations) / (time.process_time() - cpu)]))
"""


def peer_run(operations: list[Operation]) -> tuple[float, float] | None:
    """Operations per second of wall and of CPU time of the peer, in a virtual environment of its own.

    None when it cannot be installed.
    """
    python = PEER_HOME / "bin" / "python"
    if not python.exists():
        venv.create(PEER_HOME, with_pip=True)
    install = subprocess.run([str(python), "-m", "pip", "install", "-q", PEER], check=False, capture_output=True)
    if install.returncode:
        print(f"{PEER} could not be installed; the peer is left out", file=sys.stderr)
        return None
    result = subprocess.run(
        [str(python), "-c", PEER_SCRIPT], input=json.dumps(operations).encode(), check=False, capture_output=True
    )
    if result.returncode:
        print(result.stderr.decode()[-500:], file=sys.stderr)
        return None
    wall, cpu = json.loads(result.stdout)
    return float(wall), float(cpu)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--operations", type=int, default=100_000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--no-peer", action="store_true")
    arguments = parser.parse_args()
    operations = stream(arguments.operations, arguments.seed)
    runs = [engine_run(operations) for _ in range(arguments.repeats)]
    peers = [] if arguments.no_peer else [peer for _ in range(2) if (peer := peer_run(operations))]
    document = {
        "benchmark": "matching",
        "operations": len(operations),
        "engine_ops_per_s": round(median(run[0] for run in runs)),
        "engine_best_ops_per_s": round(max(run[0] for run in runs)),
        "engine_cpu_ops_per_s": round(median(run[1] for run in runs)),
        "engine_trades": runs[0][2],
        "peer": PEER if peers else None,
        "peer_ops_per_s": round(max(peer[0] for peer in peers)) if peers else None,
        "peer_cpu_ops_per_s": round(max(peer[1] for peer in peers)) if peers else None,
    }
    print(json.dumps(document))


if __name__ == "__main__":
    main()
