"""The predictor: scaling, intervals, confidence, and what it refuses."""

from dataclasses import replace

import numpy as np
import pytest
from onnx_forecaster import HORIZON, LOOKBACK, windows, write_forecaster

from pipelines.core.artifacts import read_json, write_json
from pipelines.core.errors import ArtifactError, DataError
from pipelines.features.market_context import NEAR
from pipelines.features.scale import local_volatility, log_odds
from pipelines.features.state_space import StateSpace
from pipelines.inference import predictor as inference_predictor
from pipelines.inference.inputs import FILTER_INPUTS, INPUTS, relative
from pipelines.inference.linear_path import SEEN
from pipelines.inference.predictor import Predictor, forecast_call


@pytest.fixture
def predictor(tmp_path):
    """A predictor that needs no training."""
    return Predictor(write_forecaster(tmp_path / "forecaster"))


def test_a_forecast_is_the_output_times_volatility_and_root_horizon(predictor):
    """The mean in log-odds is the network's output x shrink x local volatility x sqrt(h)."""
    features, mids, _ = windows(5)
    made = predictor.forecast_batch(features, mids)
    scale = local_volatility(mids)
    move = np.clip(relative(features, mids, scale)[:, -1, 1], -8, 8)
    expected = 0.5 * 0.1 * move[:, None] * scale[:, None] * np.sqrt(np.arange(1, HORIZON + 1))
    assert np.allclose(made.mean, expected, rtol=1e-5, atol=1e-9)


def test_interval_contains_the_mean_and_confidence_is_a_probability(predictor):
    """lower <= mean <= upper, and the confidence lies in [0.5, 1)."""
    made = predictor.forecast_batch(*windows(200)[:2])
    assert (made.lower <= made.mean).all()
    assert (made.mean <= made.upper).all()
    assert ((made.confidence >= 0.5) & (made.confidence < 1.0)).all()
    assert made.at(3).mean.shape == (HORIZON,)


def test_one_window_and_many_give_the_same_forecast(predictor):
    """A window forecast alone (live), in a batch, and in batches on two threads (stages) gives the same numbers."""
    features, mids, sentiment = windows(600)
    many = predictor.forecast_many(lambda at: (features[at], mids[at], sentiment[at], None), np.arange(600))
    whole = predictor.forecast_batch(features, mids)
    alone = predictor.forecast_batch(features[599:], mids[599:])
    assert np.allclose(many.mean, whole.mean, rtol=0, atol=1e-9)
    assert np.allclose(alone.mean[0], whole.mean[599], rtol=0, atol=1e-9)


@pytest.mark.parametrize("many", [1, 256, 599, 600, 1_000])
def test_a_long_run_forecasts_the_same_however_much_of_it_is_in_memory(predictor, monkeypatch, many):
    """The parts of a long run are put together in order, and no window is left out or forecast twice."""
    features, mids, sentiment = windows(600)
    asked: list[int] = []

    def of(at):
        asked.extend(at.tolist())
        return features[at], mids[at], sentiment[at], None

    whole = predictor.forecast_batch(features, mids)
    monkeypatch.setattr(inference_predictor, "MANY", many)
    found = predictor.forecast_many(of, np.arange(600))

    assert sorted(asked) == list(range(600))
    for name in ("mean", "lower", "upper", "confidence"):
        assert np.allclose(getattr(found, name), getattr(whole, name), rtol=0, atol=1e-9), name


def test_no_bar_has_no_forecast(predictor):
    """Without positions there are no forecasts, and the shapes are those of none."""
    features, mids, sentiment = windows(3)
    found = predictor.forecast_many(lambda at: (features[at], mids[at], sentiment[at], None), np.arange(0))

    assert found.mean.shape == (0, HORIZON)


def test_sentiment_reaches_the_network_that_reads_it(tmp_path):
    """A forecaster of kind sentiment_lstm gets a further input; absent sentiment is neutral."""
    predictor = Predictor(write_forecaster(tmp_path, extras=("sentiment", "sentiment_move"), kind="sentiment_lstm"))
    features, mids, sentiment = windows(3)
    with_news, _ = predictor.seen.of(features, mids, sentiment)
    without, _ = predictor.seen.of(features, mids)
    assert with_news.shape[-1] == predictor.seen.width
    assert np.allclose(with_news[..., -2], sentiment, atol=1e-6)
    assert not without[..., -2:].any()


def test_garch_volatility_reaches_the_network_that_reads_it(tmp_path):
    """A forecaster of kind garch_lstm gets the conditional volatility computed from the window's own prices."""
    garch = {"omega": 1e-5, "alpha": 0.1, "beta": 0.8}
    predictor = Predictor(
        write_forecaster(tmp_path, extras=("conditional_volatility",), kind="garch_lstm", garch=garch)
    )
    made, _ = predictor.seen.of(*windows(3)[:2])
    assert made.shape[-1] == predictor.seen.width
    assert (made[..., -1] > 0).all()


def test_inputs_of_a_window_do_not_read_other_bars():
    """Perturbing bars before the last leaves price-independent inputs of earlier bars unchanged: nothing looks ahead
    except the window's own scale, which is known at its end."""
    features, mids, _ = windows(1)
    scale = np.array([0.05])
    base = relative(features, mids, scale)
    later = features.copy()
    later[0, -1, 1] += 0.5
    changed = relative(later, mids, scale)
    assert np.array_equal(base[0, :-1], changed[0, :-1])


@pytest.mark.parametrize("bars", [1, 2, LOOKBACK, LOOKBACK + 5])
def test_a_network_of_the_last_bars_reads_the_inputs_of_the_whole_window(tmp_path, bars):
    """What a network gets of its last bars is the same to the bit whether the inputs of older bars are made or not,
    with a filter, sentiment and GARCH too."""
    fitted = StateSpace((0.93, 0.9, 0.5, 0.7, 0.9, 0.5, -4.0, 0.3, 0.9, 100.0, -9.0, 0.5, -8.5, 1.5, -8.5, 0.5))
    extras, garch = (
        ("sentiment", "sentiment_move", "conditional_volatility"),
        {"omega": 1e-5, "alpha": 0.1, "beta": 0.8},
    )
    whole = Predictor(write_forecaster(tmp_path, extras=extras, garch=garch, fitted=fitted)).seen
    features, mids, sentiment = windows(4)
    states = np.random.default_rng(1).normal(size=(*mids.shape, len(SEEN))) * 0.1
    made, volatility = replace(whole, bars=bars).of(features, mids, sentiment, states)
    every, same = whole.of(features, mids, sentiment, states)
    assert made.shape == (4, min(bars, LOOKBACK), whole.width)
    assert np.array_equal(made, every[:, -bars:])
    assert np.array_equal(volatility, same)


def test_wrong_windows_are_refused(predictor):
    """A window of another length, or with a missing value, is refused with what is needed."""
    features, mids, _ = windows(2)
    with pytest.raises(DataError, match=f"needs {LOOKBACK}"):
        predictor.forecast_batch(features[:, 1:], mids[:, 1:])
    features[0, 3, 2] = np.nan
    with pytest.raises(DataError, match="missing or infinite"):
        predictor.forecast_batch(features, mids)


def test_a_missing_or_foreign_forecaster_is_refused(tmp_path):
    """Without a network, or with inputs of another version, the error says which command helps."""
    with pytest.raises(ArtifactError, match="python -m pipelines forecast"):
        Predictor(tmp_path)
    folder = write_forecaster(tmp_path / "forecaster")
    (folder / "forecaster.onnx").rename(folder / "away.onnx")
    with pytest.raises(ArtifactError, match=r"forecaster\.onnx does not exist.*python -m pipelines forecast"):
        Predictor(folder)
    (folder / "away.onnx").rename(folder / "forecaster.onnx")
    write_json(folder / "scaler.json", read_json(folder / "scaler.json") | {"input_version": "2.1"})
    with pytest.raises(ArtifactError, match=r"version '2\.1'"):
        Predictor(folder)


def test_a_network_adds_to_what_the_filter_forecasts(tmp_path):
    """The mean is the filter's forecast x its shrink plus the network's output x its own, the interval lies around
    both; the filter's forecasts are inputs of the network; windows without states are refused."""
    fitted = StateSpace((0.93, 0.9, 0.5, 0.7, 0.9, 0.5, -4.0, 0.3, 0.9, 100.0, -9.0, 0.5, -8.5, 1.5, -8.5, 0.5))
    predictor = Predictor(write_forecaster(tmp_path, fitted=fitted))
    features, mids, sentiment = windows(4)
    states = np.random.default_rng(1).normal(size=(*mids.shape, len(SEEN))) * 0.1
    made = predictor.forecast_batch(features, mids, sentiment, states)
    inputs, volatility = predictor.seen.of(features, mids, sentiment, states)
    unit = volatility[:, None] * np.sqrt(np.arange(1, HORIZON + 1))
    base = 0.8 * fitted.forecast(states[:, -1], HORIZON)
    assert np.allclose(made.mean, base + 0.5 * 0.1 * inputs[:, -1, 1:2] * unit, atol=1e-8)
    assert ((made.lower <= made.mean) & (made.mean <= made.upper)).all()
    assert inputs.shape[-1] == len(INPUTS) + len(FILTER_INPUTS) + len(NEAR) == predictor.seen.width
    ahead = fitted.forecast(states, 24)[..., 4] / (volatility[:, None] * np.sqrt(5))
    assert np.allclose(inputs[..., len(INPUTS) + 1], np.clip(ahead, -8, 8), atol=1e-5)
    with pytest.raises(DataError, match="give the windows its states"):
        predictor.forecast_batch(features, mids, sentiment)


def test_the_filter_alone_needs_no_network(tmp_path):
    """A forecaster of kind ssm has no ONNX file: its mean is the filter's forecast x its shrink, exactly."""
    fitted = StateSpace((0.93, 0.9, 0.5, 0.7, 0.9, 0.5, -4.0, 0.3, 0.9, 100.0, -9.0, 0.5, -8.5, 1.5, -8.5, 0.5))
    folder = write_forecaster(tmp_path, fitted=fitted, kind="ssm")
    (folder / "forecaster.onnx").unlink()
    write_json(folder / "meta.json", read_json(folder / "meta.json") | {"network": False})
    features, mids, _ = windows(4)
    states = np.random.default_rng(1).normal(size=(*mids.shape, len(SEEN))) * 0.1
    made = Predictor(folder).forecast_batch(features, mids, None, states)
    assert np.array_equal(made.mean, 0.8 * fitted.forecast(states[:, -1], HORIZON))


def test_the_call_of_the_guide(predictor):
    """predict answers market id, current price, predictions, interval, horizon, confidence and the model's name."""
    features, mids, _ = windows(1)
    made = forecast_call(predictor, "0xabc", features[0], mids[0], horizon=4)
    assert made["market_id"] == "0xabc"
    assert made["current_price"] == mids[0, -1] / 10_000
    assert len(made["predictions"]) == 4
    assert all(
        low <= p <= high
        for low, p, high in zip(made["interval"][0], made["predictions"], made["interval"][1], strict=True)
    )
    odds = np.log(made["predictions"][3] / (1 - made["predictions"][3])) - log_odds(mids[0, -1:])
    assert np.allclose(odds, predictor.forecast_batch(features, mids).mean[0, 3])
    assert made["model_type"] == "hybrid"
    with pytest.raises(DataError, match="answers 1 to 6"):
        forecast_call(predictor, "0xabc", features[0], mids[0], horizon=7)
