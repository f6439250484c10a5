"""The gate's proof on a world of its own: honest columns pass, and each kind of leak is caught."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmarks import tiny_bundle
from pipelines.core.artifacts import read_json, write_json
from pipelines.core.params import read
from pipelines.core.settlement import RuleKind, Settlement
from pipelines.features import state_space_batch
from pipelines.features.market_context import CONTEXT
from pipelines.features.order_flow import ORDER_FLOW
from pipelines.features.state_space import StateSpace
from pipelines.featurize import stage as featurize
from pipelines.gate import forecasts, look_ahead, past
from pipelines.inference.bundle import Bundle, seal
from pipelines.news import decay
from pipelines.reference import recorded
from pipelines.reference.board import Board
from pipelines.reference.external import EXTERNAL, ExternalProbabilities
from pipelines.reference.prices import Path as PricePath
from pipelines.reference.prices import Price
from pipelines.rows import event as rows
from pipelines.rows import order_flow
from pipelines.rows.market import long_enough

START, LENGTH = 1_767_225_600, 60
EVENTS, BARS, EVERY = 14, 130, 110
SHORT = 50
"""Bars of a sibling whose run is too short to learn from."""
FITTED = StateSpace((0.93, 0.9, 0.5, 0.7, 0.9, 0.5, -4.0, 0.3, 0.9, 100.0, -9.0, 0.5, -8.5, 1.5, -8.5, 0.5))
PARAMS = read(Path("params.yaml"))


def _bars(name, ts_s, rng):
    count = len(ts_s)
    return {
        "market_id": [name] * count,
        "ts_s": ts_s,
        "mid_units": np.clip(5_000 + np.cumsum(rng.integers(-3, 4, count) * 50), 200, 9_800).astype(np.int32),
        "volume_micro": rng.integers(0, 10**9, count),
        "spread_units": (rng.integers(1, 4, count) * 100).astype(np.int32),
        "bid_size_micro": rng.integers(1, 10**10, count),
        "ask_size_micro": rng.integers(1, 10**10, count),
    }


def _market(name, event, ts_s, rule):
    end_s = int(ts_s[-1]) + LENGTH
    return {
        "market_id": name, "event_id": event, "question": name, "token_yes": f"{name}y", "token_no": f"{name}n",
        "tick_units": 100, "min_size_micro": 5_000_000, "start_s": int(ts_s[0]), "end_s": end_s, "topic": "crypto",
        "neg_risk": True, "lower": float(name[-1]), "upper": float(name[-1]) + 1.0, "version": 2,
        "fee_rate": 0.0, "fee_exponent": 1.0, "settlement": rule.text(),
    }  # fmt: skip


def _write_raw(folder):
    """Events of four brackets with books, headlines, a reference price and external probabilities; the fourth's run is
    too short to learn from."""
    rng = np.random.default_rng(5)
    bars, markets, headlines, stated = [], [], [], []
    for event in range(EVENTS):
        for number, count in enumerate((BARS, BARS, BARS, SHORT)):
            name, ts_s = f"m{event:02d}-{number}", START + LENGTH * (event * EVERY + np.arange(1, count + 1))
            rule = Settlement(
                symbol="BTC", source="binance", kind=RuleKind.SPOT, start_s=int(ts_s[0]), end_s=int(ts_s[-1]) + LENGTH,
                strike=100.0,
            )  # fmt: skip
            bars.append(pa.table(_bars(name, ts_s, rng)))
            markets.append(_market(name, f"e{event:02d}", ts_s, rule))
            headlines += [
                {"headline_id": f"{name}-{bar}", "market_ids": [name], "known_s": int(at), "sentiment": float(score)}
                for bar, at, score in zip(range(count), ts_s - 7, rng.uniform(-1, 1, count), strict=True)
            ]
            stated += [
                Price(name, EXTERNAL, 1_000 * int(at) - 4_000, 1_000 * int(at) - 4_000, float(chance))
                for at, chance in zip(ts_s, rng.uniform(0, 1, count), strict=True)
            ]
    times = range(START * 1_000, (START + LENGTH * (EVENTS * EVERY + BARS)) * 1_000, 10_000)
    walk = 100.0 * np.exp(np.cumsum(rng.normal(0, 1e-4, len(times))))
    prices = [Price("BTC", "binance", at, at + 400, value) for at, value in zip(times, walk.tolist(), strict=True)]
    (folder / "bars").mkdir(parents=True)
    pq.write_table(pa.concat_tables(bars), folder / "bars/part.parquet")
    pq.write_table(pa.Table.from_pylist(markets), folder / "markets.parquet")
    pq.write_table(pa.Table.from_pylist(headlines), folder / "headlines.parquet")
    pq.write_table(recorded.table([*prices, *stated]), folder / "reference.parquet")
    flows = ((one["market_id"][0].as_py(), one["ts_s"].to_numpy()) for one in bars)
    made = ((name, dict.fromkeys(ORDER_FLOW, rng.uniform(-1, 1, len(ts_s))) | {"ts_s": ts_s}) for name, ts_s in flows)
    order_flow.write(folder / order_flow.FILE, made)


def _seal(folder):
    """A sealed bundle whose forecaster is the state-space filter alone."""
    tiny_bundle.make(folder, kind="cash")
    manifest = {
        key: value for key, value in read_json(folder / "manifest.json").items() if key not in ("hash", "files")
    }
    meta = read_json(folder / "meta.json") | {"filter": FITTED.document(), "network": False}
    write_json(folder / "meta.json", meta)
    seal(folder, manifest)


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    """A folder with raw data and a bundle."""
    folder = tmp_path_factory.mktemp("proof")
    _write_raw(folder / "data/raw")
    _seal(folder / "models/bundle")
    return folder


@pytest.fixture
def proof(raw, tmp_path, monkeypatch):
    """Runs featurize with the code as it is then, and the gate's proof on what it wrote."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data/raw").symlink_to(raw / "data/raw")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(featurize, "load", lambda: PARAMS)

    def run():
        featurize.run()
        bundle, series = Bundle.open(raw / "models/bundle"), forecasts.gate_series()
        histories = forecasts.gate_histories(bundle, PARAMS.execution, series)
        return look_ahead.prove(bundle, series, histories, PARAMS, LENGTH, past.RawData.read(PARAMS))

    return run


def _next(values):
    """Each row has what the next one should have."""
    return np.concatenate((values[1:], values[-1:]))


def test_what_is_judged_is_made_again_without_its_future(proof):
    """Features, sentiment, tone, fair value, context, filter and forecasts of bars of the gate slice equal those of raw
    data that ends at each; every column holds something."""
    found = proof()

    assert found.differences == ()
    assert found.compared > 100
    (series, *_) = forecasts.gate_series()
    assert all(np.any(np.nan_to_num(getattr(series, name))) for name in look_ahead.COLUMNS)
    assert np.isfinite(series.fair).all(axis=1).mean() > 0.9
    columns = np.concatenate([one.context for one in forecasts.gate_series()]).any(axis=0)
    assert columns.all(), "the place among brackets too"


@pytest.mark.parametrize(
    "name",
    ["spread", "lean", "micro_gap", "move", "agreed_5", "sum_15", "own_60", "peak_5", "above_move", "residual_60",
     "excess", "fair_gap", "fair_gap_5", "slope", "large_flow"],
)  # fmt: skip
def test_a_leak_in_the_context_is_caught(proof, monkeypatch, name):
    """A column of the market context (book, sizes, moves, siblings, brackets, fair value, order flow) that is the next
    bar's."""
    column = CONTEXT.index(name)

    def leaked(books):
        made = state_space_batch.contexts(books)
        made[:, column] = _next(made[:, column])
        return made

    monkeypatch.setattr(rows, "contexts", leaked)
    assert "the market context of m" in proof().differences[0]


def test_a_leak_in_what_siblings_did_is_caught(proof, monkeypatch):
    """The siblings' moves of the next bar, in the function that sums them."""
    honest = state_space_batch.siblings
    monkeypatch.setattr(state_space_batch, "siblings", lambda books: tuple(_next(one) for one in honest(books)))
    assert "the market context of m" in proof().differences[0]


@pytest.mark.parametrize("name", ["places", "exclusive_units"])
def test_a_leak_in_the_place_among_brackets_is_caught(proof, monkeypatch, name):
    """What the brackets, or the exclusive markets, of an event say together at the next bar."""
    honest = getattr(state_space_batch, name)
    monkeypatch.setattr(state_space_batch, name, lambda books: _next(honest(books)))
    assert "the market context of m" in proof().differences[0]


def test_a_sibling_that_is_known_to_end_soon_is_caught(proof, monkeypatch):
    """Leaving out the siblings whose run will be too short says how long each will last."""
    honest = rows.context

    def learned_from(markets, length_s, stated):
        kept = [long_enough(one.ts_s, length_s, 84) for one in markets]
        said = [one[mask] for one, mask in zip(stated, kept, strict=True)]
        made = honest([rows.taken(one, mask) for one, mask in zip(markets, kept, strict=True)], length_s, said)
        whole = [np.zeros((len(mask), len(CONTEXT))) for mask in kept]
        for values, mask, part in zip(whole, kept, made, strict=True):
            values[mask] = part
        return whole

    monkeypatch.setattr(featurize, "context", learned_from)
    assert "the market context of m" in proof().differences[0]


@pytest.mark.parametrize(
    ("module", "name", "leak", "words"),
    [
        (decay, "impulses", lambda honest: lambda ts, known, *rest: honest(ts, known - LENGTH, *rest), "tone"),
        (decay, "batch", lambda honest: lambda ts, known, scores: honest(ts, known - LENGTH, scores), "sentiment"),
        (rows, "features", lambda honest: lambda bars, length_s: _next(honest(bars, length_s)), "feature"),
        (
            Board,
            "pair",
            lambda honest: lambda self, rule, ts, length: honest(self, rule, ts + LENGTH, length),
            "fair value",
        ),
        (
            PricePath,
            "known",
            lambda honest: lambda self, now_ms: min(honest(self, now_ms) + 1, len(self)),
            "fair value",
        ),
        (
            ExternalProbabilities,
            "at",
            lambda honest: lambda self, name, now_ms: honest(self, name, now_ms + 1_000 * LENGTH),
            "external probability",
        ),
        (forecasts, "states", lambda honest: lambda *seen: _next(honest(*seen)), "state of the filter"),
        (
            look_ahead,
            "windows",
            lambda honest: lambda by, seen, left, at: honest(by, seen, left, np.minimum(at + 1, len(seen.ts_s) - 1)),
            "forecast",
        ),
    ],
    ids=["tone", "sentiment", "features", "fair", "next price", "external", "filter", "forecast"],
)
def test_a_leak_elsewhere_is_caught(proof, monkeypatch, module, name, leak, words):
    """Headlines a bar early, features of the next bar, fair values of the next bar or price, external
    probabilities of the next bar, states and windows that end one bar later: the proof names what differs."""
    monkeypatch.setattr(module, name, leak(getattr(module, name)))
    assert any(words in one for one in proof().differences)


def test_a_stored_column_that_no_raw_data_makes_is_caught(proof, monkeypatch):
    """A leak anywhere in featurize shows, also one after its rows were made: the stored table is what is compared."""
    honest = featurize.FeatureFile.add

    def leaked(self, table):
        place = table.column_names.index("sum_5")
        honest(self, table.set_column(place, "sum_5", pa.array(_next(table["sum_5"].to_numpy()))))

    monkeypatch.setattr(featurize.FeatureFile, "add", leaked)
    assert "the market context of m" in proof().differences[0]
