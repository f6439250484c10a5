"""A pull whose prices, spreads, volumes or tones are distributed otherwise than before is a warning."""

import numpy as np
import pandas as pd
import pytest

from pipelines.validate import history
from pipelines.validate.distribution import Distributions, tone_figures

LIMIT = 6.0


def bars(seed: int, *, step: int = 50, spread: int = 200, shares: float = 100.0, level: int = 5_000) -> pd.DataFrame:
    """Two markets of 500 bars on a walk of some step around a level."""
    rng = np.random.default_rng(seed)
    walks = [np.clip(level + np.cumsum(rng.choice((-step, 0, step), 500)), 100, 9_900) for _ in range(2)]
    volume = np.where(rng.random(1_000) < 0.5, 0.0, rng.lognormal(np.log(shares), 0.5, 1_000))
    return pd.DataFrame(
        {
            "market_id": np.repeat(["0xa", "0xb"], 500),
            "mid_units": np.concatenate(walks),
            "spread_units": np.full(1_000, spread),
            "volume_micro": (volume * 1e6).astype(np.int64),
        }
    )


def figures(*parts: pd.DataFrame) -> dict[str, float]:
    """The figures of some parts of a pull."""
    made = Distributions()
    for part in parts:
        made.add(part)
    return made.figures()


@pytest.mark.parametrize(
    ("odd", "name"),
    [
        ({"step": 200}, "move_quantile_0.9"),
        ({"spread": 600}, "spread_quantile_0.5"),
        ({"shares": 10_000.0}, "volume_quantile_0.5"),
        ({"level": 9_500, "step": 1}, "price_quantile_0.5"),
    ],
)
def test_another_distribution_is_told(odd, name):
    """Eight usual pulls and an odd one: the figure that moved is named, and a usual pull is no warning of it."""
    before = [figures(bars(seed)) for seed in range(8)]
    said = history.warnings(figures(bars(9, **odd)), before, LIMIT)
    assert any(text.startswith(f"{name} is ") for text in said)
    assert not any(text.startswith(f"{name} is ") for text in history.warnings(figures(bars(9)), before, LIMIT))


def test_parts_make_no_difference():
    """Bars that come market by market give the figures of all at once, and quantiles are those of the values."""
    whole = bars(3)
    first, second = whole[whole.market_id == "0xa"], whole[whole.market_id == "0xb"]
    found = figures(whole)
    assert figures(first, second) == found
    assert found["price_quantile_0.5"] == np.quantile(whole.mid_units, 0.5, method="inverted_cdf") / 10_000
    traded = whole.volume_micro[whole.volume_micro > 0] / 1e6
    assert found["volume_quantile_0.9"] == pytest.approx(np.quantile(traded, 0.9), rel=0.05)
    assert found["traded_bar_share"] == (whole.volume_micro > 0).mean()


def test_nothing_has_no_quantile():
    """Bars without a spread or a trade have no figure of it, headlines without a score none of the tone."""
    quiet = bars(1).assign(spread_units=0, volume_micro=0)
    assert not {name for name in figures(quiet) if name.startswith(("spread", "volume"))}
    assert figures(quiet)["traded_bar_share"] == 0.0
    assert tone_figures(pd.DataFrame({"sentiment": [None, None]}, dtype=float)) == {}
    assert tone_figures(pd.DataFrame({"sentiment": [0.5, -0.1]})) == {"tone_mean": 0.2, "negative_headline_share": 0.5}
