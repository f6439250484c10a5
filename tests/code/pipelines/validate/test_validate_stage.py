"""Every planted defect is caught by the rule that names it; clean data passes."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from pipelines.core import params
from pipelines.core.errors import DataError
from pipelines.validate import facts, stage

T0 = 1_735_689_600
PARAMS = params.read(Path(__file__).parents[4] / "params.yaml")
AS_OF = T0 + 120 * 60
Change = Callable[[pd.DataFrame, pd.DataFrame], tuple[pd.DataFrame, pd.DataFrame]]


def clean() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Bars and markets that follow every rule."""
    bars = pd.DataFrame(
        [
            {
                "market_id": f"0x{m:064x}",
                "ts_s": T0 + 60 * (k + 1),
                "mid_units": 5_000 + 50 * ((k + m) % 7),
                "volume_micro": 1_000_000,
                "n_trades": 1,
                "spread_units": 0,
                "spread_observed": False,
                "filled": False,
            }
            for m in range(4)
            for k in range(120)
        ]
    )
    markets = pd.DataFrame(
        [
            {
                "market_id": f"0x{m:064x}",
                "event_id": "event",
                "question": "?",
                "token_yes": str(2 * m + 1),
                "token_no": str(2 * m + 2),
                "tick_units": 100,
                "min_size_micro": 5_000_000,
                "fee_rate": 0.05,
                "fee_exponent": 1.0,
                "start_s": T0,
                "end_s": None,
                "topic": "other",
                "neg_risk": False,
                "version": "v1",
            }
            for m in range(4)
        ]
    )
    return bars, markets


def broken(bars: pd.DataFrame, markets: pd.DataFrame) -> list[str]:
    """Names of the rules that are broken."""
    return [c.name for c in stage.examine(bars, markets, 60, AS_OF, PARAMS) if not c.success]


def test_clean_data_passes() -> None:
    """Data that follows the schema breaks no rule."""
    assert broken(*clean()) == []


def set_bar(column: str, value: object) -> Change:
    """A defect in one bar."""

    def change(bars: pd.DataFrame, markets: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
        bars[column] = bars[column].astype(object)
        bars.loc[7, column] = value
        return bars, markets

    return change


def set_market(column: str, value: object) -> Change:
    """A defect in one market."""

    def change(bars: pd.DataFrame, markets: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
        markets[column] = markets[column].astype(object)
        markets.loc[1, column] = value
        return bars, markets

    return change


def flat(bars: pd.DataFrame, markets: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """No price moves."""
    return bars.assign(mid_units=5_000), markets


def late(bars: pd.DataFrame, markets: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """All bars are days old."""
    return bars.assign(ts_s=bars["ts_s"] - 60 * 5_000), markets


def overfilled(bars: pd.DataFrame, markets: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """A gap filled for longer than allowed."""
    bars.loc[10:17, "filled"] = True
    return bars, markets


def lonely(bars: pd.DataFrame, markets: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """One market is left."""
    return bars[bars["market_id"] == bars["market_id"].iloc[0]], markets


def unlisted(bars: pd.DataFrame, markets: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Bars without their market."""
    return bars, markets.iloc[1:]


def short(bars: pd.DataFrame, markets: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The first market lacks its first bars."""
    return bars.iloc[50:], markets


def nothing(bars: pd.DataFrame, markets: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Markets without a bar."""
    return bars.iloc[:0], markets


def nothing_at_all(bars: pd.DataFrame, markets: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """No market and no bar."""
    return bars.iloc[:0], markets.iloc[:0]


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        (set_bar("mid_units", 10_001), "price lies in [0, 1]"),
        (set_bar("mid_units", -1), "price lies in [0, 1]"),
        (set_bar("mid_units", None), "mid_units is present"),
        (set_bar("volume_micro", -5), "volume is not negative"),
        (set_bar("spread_units", 20_000), "spread lies in [0, 1]"),
        (set_bar("ts_s", T0 + 60 * 7), "one bar per market and time"),
        (set_bar("ts_s", T0 + 60 * 8 + 1), "one phase of the grid"),
        (set_bar("ts_s", AS_OF + 600), "bars end at the window"),
        (set_bar("market_id", None), "market_id is present"),
        (overfilled, "no gap is filled too far"),
        (flat, "prices move"),
        (late, "data is not stale"),
        (lonely, "enough markets"),
        (unlisted, "every bar has a market"),
        (short, "markets are long enough"),
        (set_market("tick_units", 7), "ticks are the venue's"),
        (set_market("token_yes", "0xabc"), "tokens are decimal"),
        (set_market("market_id", "0x" + "0" * 64), "market ids are unique"),
        (set_market("event_id", None), "events are named"),
        (set_market("fee_rate", 7.0), "fees are sane"),
        (set_market("token_yes", ""), "tokens are decimal"),
        (set_market("token_yes", None), "tokens are there"),
        (set_market("token_no", ""), "NO tokens are decimal"),
        (set_market("token_no", None), "NO tokens are there"),
        (set_market("token_no", "2"), "NO tokens are unique"),
        (set_market("token_no", "3"), "a market's tokens differ"),
        (set_market("end_s", T0 - 1), "markets end after they start"),
        (set_market("end_s", T0), "markets end after they start"),
        (set_market("event_id", ""), "event names are not empty"),
        (set_market("min_size_micro", 0), "the least order is positive"),
        (nothing, "there are bars"),
        (nothing, "enough markets"),
        (nothing_at_all, "there are bars"),
    ],
)
def test_a_planted_defect_is_caught(change: Change, rule: str) -> None:
    """The rule that a defect breaks is among those reported."""
    assert rule in broken(*change(*clean()))


def test_a_gap_is_caught() -> None:
    """A missing bar breaks the rule that time moves by one bar."""
    bars, markets = clean()

    assert "time moves by one bar" in broken(bars.drop(index=30), markets)


def test_the_page_shows_every_rule_and_escapes_its_content() -> None:
    """The page lists the rules, and what came from data cannot become markup."""
    bars, markets = set_market("token_yes", "<script>")(*clean())
    checks = stage.examine(bars, markets, 60, AS_OF, PARAMS)

    shown = stage.page(checks, {"markets": 4})

    assert all(c.name.replace("'", "&#x27;") in shown for c in checks)
    assert "<script>" not in shown


def test_missing_products_are_named(tmp_path: Path) -> None:
    """Without data/raw the error says which stage to run."""
    with pytest.raises(DataError, match="run python -m pipelines pull"):
        facts.partitions(tmp_path)
