"""Published examples of other programs, there and on our engine: `python -m benchmarks.agreement [--only PEER ...]`.

One JSON line per run: what was gained there and here with the same decisions at the same prices and costs, the largest
difference of the two equity curves, and where a difference comes from. Peers run in virtual environments of their own
under var/peers, made here.
"""

import argparse
import json
from collections.abc import Sequence

from benchmarks import peers
from benchmarks.agreement_bars import gym_anytrading, nautilus, vectorbt
from benchmarks.agreement_orders import hftbacktest

EXAMPLES = {
    "gym-anytrading": gym_anytrading,
    "vectorbt": vectorbt,
    "nautilus": nautilus,
    "hftbacktest": hftbacktest,
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run what is asked for, one line each; a peer that cannot run has a line with the reason."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.agreement", description=__doc__)
    parser.add_argument("--only", nargs="*", choices=list(EXAMPLES), help="peers")
    asked = parser.parse_args(arguments)
    for peer, example in EXAMPLES.items():
        if asked.only and peer not in asked.only:
            continue
        try:
            for line in example():
                print(json.dumps({"peer": peers.PACKAGES[peer], **line}), flush=True)
        except peers.FAILURES as error:
            print(json.dumps({"peer": peers.PACKAGES[peer], "reason": peers.reason(error)}))


if __name__ == "__main__":
    main()
