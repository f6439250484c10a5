"""The expectations on data/raw, stated with Great Expectations. Each has a name that the report and the error use."""

import os
from dataclasses import dataclass
from functools import cache
from typing import Any

import pandas as pd

os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
os.environ.setdefault("TQDM_DISABLE", "1")

import great_expectations as gx

from pipelines.core import lookback
from pipelines.core.params import Params

gxe: Any = gx.expectations  # the package does not mark its names as exported


@dataclass(frozen=True)
class Check:
    """The outcome of one expectation: its name, whether it held, what was seen, and a few rows that broke it."""

    name: str
    success: bool
    observed: str
    unexpected: int
    examples: list[str]


def bars_suite(length_s: int, max_gap_bars: int) -> dict[str, Any]:
    """Expectations on one bar, by name."""
    fields = ("market_id", "ts_s", "mid_units", "volume_micro", "n_trades", "spread_units", "filled")
    named: dict[str, Any] = {f"{name} is present": gxe.ExpectColumnValuesToNotBeNull(column=name) for name in fields}
    return named | {
        "price lies in [0, 1]": _between("mid_units", 0, 10_000),
        "volume is not negative": _between("volume_micro", 0, None),
        "trade count is not negative": _between("n_trades", 0, None),
        "spread lies in [0, 1]": _between("spread_units", 0, 10_000),
        "one bar per market and time": gxe.ExpectCompoundColumnsToBeUnique(column_list=["market_id", "ts_s"]),
        "time moves by one bar": gxe.ExpectColumnValuesToBeInSet(column="step_s", value_set=[float(length_s)]),
        "one phase of the grid": gxe.ExpectColumnUniqueValueCountToBeBetween(
            column="phase_s", min_value=1, max_value=1
        ),
        "no gap is filled too far": _between("filled_run", 0, max_gap_bars),
        "every bar has a market": gxe.ExpectColumnValuesToBeInSet(column="listed", value_set=[True]),
        "bars end at the window": _maximum("ts_s"),
    }


def markets_suite() -> dict[str, Any]:
    """Expectations on one market, by name."""
    return {
        "market ids are unique": gxe.ExpectColumnValuesToBeUnique(column="market_id"),
        "market ids are condition ids": gxe.ExpectColumnValuesToMatchRegex(
            column="market_id", regex="^0x[0-9a-f]{62,64}$"
        ),
        "tokens are decimal": gxe.ExpectColumnValuesToMatchRegex(column="token_yes", regex="^[0-9]+$"),
        "NO tokens are decimal": gxe.ExpectColumnValuesToMatchRegex(column="token_no", regex="^[0-9]+$"),
        "tokens are there": gxe.ExpectColumnValuesToNotBeNull(column="token_yes"),
        "NO tokens are there": gxe.ExpectColumnValuesToNotBeNull(column="token_no"),
        "tokens are unique": gxe.ExpectColumnValuesToBeUnique(column="token_yes"),
        "NO tokens are unique": gxe.ExpectColumnValuesToBeUnique(column="token_no"),
        "a market's tokens differ": gxe.ExpectColumnValuesToBeInSet(column="tokens_differ", value_set=[True]),
        "markets end after they start": gxe.ExpectColumnValuesToBeInSet(column="ends_later", value_set=[True]),
        "the least order is positive": _between("min_size_micro", 1, None),
        "ticks are the venue's": gxe.ExpectColumnValuesToBeInSet(
            column="tick_units", value_set=[1, 10, 25, 50, 100, 1000]
        ),
        "fees are sane": _between("fee_rate", 0.0, 0.3),
        "events are named": gxe.ExpectColumnValuesToNotBeNull(column="event_id"),
        "event names are not empty": gxe.ExpectColumnValuesToMatchRegex(column="event_id", regex="."),
    }


def dataset_suite(params: Params) -> dict[str, Any]:
    """Expectations on the data set as a whole: one row of totals."""
    needed = lookback.needed(params)
    return {
        "there are bars": _between("bars", 1, None),
        "enough markets": _between("markets", params.validate_.min_markets, None),
        "prices move": _between("zero_move_share", 0.0, params.validate_.max_zero_move_share),
        "markets are long enough": _between("shortest_market", needed, None),
        "data is not stale": _between("stale_bars", 0, params.validate_.max_stale_bars),
    }


def _between(column: str, low: float | None, high: float | None) -> Any:
    return gxe.ExpectColumnValuesToBeBetween(column=column, min_value=low, max_value=high)


def _maximum(column: str) -> Any:
    return gxe.ExpectColumnMaxToBeBetween(column=column, max_value={"$PARAMETER": "as_of_s"})


def check(frame: pd.DataFrame, named: dict[str, Any], parameters: dict[str, Any] | None = None) -> list[Check]:
    """Outcomes in the order of the expectations."""
    batch = _whole().get_batch(batch_parameters={"dataframe": frame})
    suite = gx.ExpectationSuite(name="raw", expectations=[_named(e, name) for name, e in named.items()])
    result = batch.validate(suite, expectation_parameters=parameters)
    outcomes: dict[str, Any] = {(r.expectation_config.meta or {})["name"]: r for r in result.results}
    return [_outcome(name, outcomes[name]) for name in named]


@cache
def _whole() -> Any:
    """A definition of the batch "all rows of a frame", in a context that keeps nothing on disk."""
    context: Any = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    return context.data_sources.add_pandas("raw").add_dataframe_asset("raw").add_batch_definition_whole_dataframe("all")


def _named(expectation: Any, name: str) -> Any:
    expectation.meta = {"name": name}
    return expectation


def _outcome(name: str, result: Any) -> Check:
    seen = result.result or {}
    examples = [str(value) for value in seen.get("partial_unexpected_list") or []][:3]
    trouble = (result.exception_info or {}).get("exception_message")
    observed = seen.get("observed_value", trouble)
    shown = "" if observed is None else f"{observed:g}" if isinstance(observed, float) else str(observed)
    return Check(name, bool(result.success), shown, int(seen.get("unexpected_count") or 0), examples)
