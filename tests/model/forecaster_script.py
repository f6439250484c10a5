"""What `test_model_forecaster` runs in a process of its own: `forecaster_script.py FOLDER PARAMS`."""

import os
import signal
import sys
from functools import partial
from pathlib import Path

os.environ |= {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}

import numpy as np

from pipelines.core.artifacts import read_json, write_json
from pipelines.core.params import read
from pipelines.features.compute import batch
from pipelines.features.scale import Scaler
from pipelines.features.spec import SCALED
from pipelines.forecast.training_windows import Rows

LENGTH = 60
SHARES = (("fit", 0.5), ("calibration", 0.2), ("agent", 0.1), ("selection", 0.1), ("gate", 0.1))


def reverting_rows(markets=40, bars=600, seed=0):
    """Prices that give half of every move back with the next bar; slices follow each other by market."""
    rng = np.random.default_rng(seed)
    names = np.repeat([name for name, share in SHARES for _ in range(round(share * markets))], bars)
    parts, mids, volumes = [], [], []
    ts = 1_767_225_600 + LENGTH * np.arange(bars)
    for _ in range(markets):
        level = 5000 + np.cumsum(rng.normal(size=bars) * 15)
        mid = np.clip(level + rng.normal(size=bars) * 60, 500, 9_500).astype(np.int64)
        mids.append(mid)
        volumes.append(rng.integers(0, 10**9, bars))
        parts.append(batch(ts, mid, volumes[-1], None))
    edges = np.arange(markets + 1) * bars
    return Rows(
        market_id=np.repeat([f"m{i}" for i in range(markets)], bars),
        event=np.repeat(np.arange(markets), bars),
        ts_s=np.tile(ts, markets),
        slice_name=names,
        mid_units=np.concatenate(mids),
        sentiment=np.zeros(markets * bars),
        volume_micro=np.concatenate(volumes),
        tone=np.zeros(markets * bars),
        headlines=np.zeros(markets * bars, np.int64),
        end_s=np.full(markets * bars, -1),
        features=np.concatenate(parts),
        run_start=np.repeat(edges[:-1], bars),
        run_end=np.repeat(edges[1:], bars),
        length_s=LENGTH,
    )


def small(params, **changes):
    """The parameters with a training of seconds."""
    forecast = {"kind": "gru", "lookback_bars": 12, "horizon_bars": 6, "windows": 1024, "epochs": 2, "batch_size": 128}
    updated = params.forecast.model_copy(update={**forecast, **changes})
    conformal = params.conformal.model_copy(update={"windows": 2000})
    return params.model_copy(update={"forecast": updated, "conformal": conformal})


def observation(rows):
    """The scaler document of the feature table."""
    raw = np.concatenate((rows.features, rows.sentiment[:, None]), axis=1)
    return Scaler.fit(raw, SCALED, 8.0).document()


def learn(params):
    """Train, measure, pack."""
    from pipelines.core.errors import ArtifactError
    from pipelines.forecast import candidate
    from pipelines.forecast.accuracy import measure
    from pipelines.forecast.stage import judged_at, write_forecasts
    from pipelines.inference.bundle import Bundle
    from pipelines.inference.predictor import Predictor
    from pipelines.package import stage as package

    rows = reverting_rows()
    report = candidate.make(rows, params, Path("models/forecaster"), "data", observation(rows))
    trains_no_more(candidate, rows, params)
    predictor = Predictor(Path("models/forecaster"))
    windows = rows.windows(predictor.lookback, rows.states(predictor.filter))
    judged = judged_at(rows, "selection", predictor.lookback, predictor.horizon)
    measured = measure(rows, judged, predictor.forecast_many(windows, judged))
    assert measured["skill_price"]["1"] > 0.1, measured["skill_price"]
    print("skill ok")
    assert all(abs(share - 0.9) < 0.05 for share in measured["coverage"].values()), measured["coverage"]
    print("coverage ok")
    assert report["onnx_parity"] < 1e-5
    print("parity ok")
    write_forecasts(rows, predictor, windows, Path("data/forecasts"))
    write_json(Path("models/choice/choice.json"), {"policy": {"kind": "threshold", "params": {}}, "sizing": {}})
    write_json(Path("data/window.json"), {"as_of_s": 1, "source": "simulated"})
    package.load = lambda: params
    package.run()
    bundle = Bundle.open(Path("models/bundle"))
    assert bundle.hash == read_json(Path("reports/package.json"))["hash"]
    Path("models/forecaster/forecaster.keras").write_bytes(b"not a network")
    try:
        package.run()
    except ArtifactError as error:
        assert "forecaster.keras cannot be read" in str(error)
        assert Bundle.open(Path("models/bundle")).hash == bundle.hash
        print("bundle ok")


def trains_no_more(candidate, rows, params):
    """Make the forecaster once more, as after a kill before the stage's last product: not one step may be taken."""
    from pipelines.forecast import training

    calibrated = Path("models/forecaster/conformal.json").read_bytes()
    after, training._Progress.after = training._Progress.after, None
    candidate.make(rows, params, Path("models/forecaster"), "data", observation(rows))
    training._Progress.after = after
    assert Path("models/forecaster/conformal.json").read_bytes() == calibrated
    print("kept ok")


def resume(params):
    """Stop a training in its second epoch, resume it, compare with one that ran through."""
    import keras

    from pipelines.core.errors import Stopped
    from pipelines.forecast import candidate, training
    from pipelines.forecast.checkpoint import Checkpoint
    from pipelines.forecast.devices import strategy
    from pipelines.forecast.networks import Layers, build

    devices = strategy(params.forecast.replicas)
    layers = Layers(keras.layers.GRU, keras.layers.GRU, (32,))
    untrained = build(layers, 12, 26, 6, 0.2)
    assert not np.asarray(untrained(np.ones((3, 12, 26), dtype=np.float32))).any()
    print("persistence ok")
    rows = reverting_rows()
    fit = rows.lively(rows.positions("fit", 12, 6))
    path = candidate.Base.of(rows, params, None)
    data = candidate._training_data(rows, params, fit, path, candidate._seen(rows, params, fit, path, ()))

    def trained(name):
        model, speed = training.train(
            partial(build, layers), data, params.forecast, devices, Checkpoint(Path(f"{name}.npz"))
        )
        assert speed > 0.0
        return model.get_weights()

    through = trained("through")
    after = training._Progress.after

    def stop_in_second(self, epoch, number, loss):
        if (epoch, number) == (1, 2):
            os.kill(os.getpid(), signal.SIGTERM)
        after(self, epoch, number, loss)

    training._Progress.after = stop_in_second
    try:
        trained("stopped")
    except Stopped as stop:
        print("stopped with", stop.status)
    training._Progress.after = after
    again = trained("stopped")
    assert all(np.allclose(a, b, atol=1e-6) for a, b in zip(through, again, strict=True))
    print("resumed equal")


if __name__ == "__main__":
    folder, params_file = sys.argv[1:]
    settings = small(read(Path(params_file)))
    for case in (learn, resume):
        place = Path(folder, case.__name__)
        place.mkdir()
        os.chdir(place)
        case(settings)
