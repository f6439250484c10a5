"""The numbers of the execution model, fitted to recordings.

    python -m benchmarks.calibrate --listing MARKETS.parquet --quotes SERIES.parquet... --books BOOKS...

MARKETS is a listing of open markets as Gamma gives it, SERIES have `best_bid` and `best_ask` by market, BOOKS are
whole books as `benchmarks.slippage` reads them. JSON lines: `spread` (`execution.model_spread`: mean over the traded
markets of the listing, next to other laws), `liquidity` (how it falls with the spread), one `quotes` per series,
one `books` per recording, and `fills` (`execution.impact_share` and `execution.model_depth_shares`). Every market has
one vote, whatever it recorded; intervals are 95 % of bootstrap draws over events or markets.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks import calibrate_fills, calibrate_liquidity, calibrate_spread
from pipelines.core.errors import OddsmithError
from pipelines.core.params import read
from pipelines.core.sections import ExecutionParams


def main(arguments: Sequence[str] | None = None) -> int:
    """Fit and print; 1 with one line when a recording cannot be used."""
    form = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(prog="python -m benchmarks.calibrate", description=__doc__, formatter_class=form)
    parser.add_argument("--listing", type=Path, required=True)
    parser.add_argument("--quotes", type=Path, nargs="*", default=[])
    parser.add_argument("--books", type=Path, nargs="+", required=True)
    asked = parser.parse_args(arguments)
    try:
        for line in lines(asked.listing, asked.quotes, asked.books, read(Path("params.yaml")).execution):
            print(json.dumps({"benchmark": "calibrate", **line}), flush=True)
    except OddsmithError as error:
        print(f"calibrate: {error}", file=sys.stderr)
        return 1
    return 0


def lines(
    listing: Path, quotes: Sequence[Path], books: Sequence[Path], execution: ExecutionParams
) -> Iterator[dict[str, Any]]:
    """What `main` prints, one fit at a time.

    Raises:
        DataError: naming the recording that cannot be read or holds too few markets.
    """
    traded = calibrate_spread.listing(listing)
    yield {"fit": "spread", "recording": listing.name, **calibrate_spread.fit(traded, execution)}
    yield {
        "fit": "liquidity",
        "recording": listing.name,
        **calibrate_liquidity.measure(*calibrate_liquidity.read(listing)),
    }
    for path in quotes:
        yield {"fit": "quotes", "recording": path.name, **calibrate_spread.of_series(path)}
    errors = [calibrate_fills.errors(path, execution) for path in books]
    for path, found in zip(books, errors, strict=True):
        yield {"fit": "books", "recording": path.name, **calibrate_fills.fit(found)}
    yield {"fit": "fills", **calibrate_fills.fit(calibrate_fills.joined(errors))}


if __name__ == "__main__":
    sys.exit(main())
