"""The forecast call of the service, on what the bot knows of a market."""

from pathlib import Path
from types import SimpleNamespace

import pytest
from serving_desk import make_market
from serving_venue import bot

from benchmarks import tiny_bundle
from pipelines.core.domain import Bar
from pipelines.core.settings import Settings
from pipelines.inference.predictor import Predictor
from serving.market.feed import Followed
from serving.market.windows import Window

LENGTH_S = 60


def followed(sentiment: float) -> Followed:
    """A market whose window is full, with the same sentiment at every bar."""
    window = Window(tiny_bundle.LOOKBACK, LENGTH_S, None)
    for number in range(tiny_bundle.LOOKBACK):
        mid = 5_000 + 100 * (number % 3)
        window.push(Bar("0x1", LENGTH_S * (number + 1), mid, 1_000_000, 1, 100), sentiment)
    return Followed(make_market(), window, ready=True)


@pytest.mark.parametrize(("mood", "matters"), [(0.5, True), (None, False)])
async def test_a_forecast_on_request_reads_the_sentiment_of_now(
    tmp_path: Path, mood: float | None, matters: bool
) -> None:
    """A forecaster that reads headlines answers good news with a higher price; one that does not is left alone."""
    tiny_bundle.make(tmp_path / "bundle", mood=mood)
    trader = bot(Settings(var=tmp_path / "var"))
    trader._model_watch.model = SimpleNamespace(predictor=Predictor(tmp_path / "bundle"))  # type: ignore[assignment]
    try:
        prices = []
        for sentiment in (-0.8, 0.0, 0.8):
            feed = SimpleNamespace(followed={"0x1": followed(sentiment)})
            trader._session = SimpleNamespace(feed=feed)  # type: ignore[assignment]
            prices.append((await trader.forecast("0x1", 24))["predictions"][-1])
    finally:
        await trader.stop()

    assert (prices[0] < prices[1] < prices[2]) is matters
    assert (len(set(prices)) == 1) is not matters
