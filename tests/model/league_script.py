"""What `test_model_league` runs in a process of its own: `league_script.py FOLDER PARAMS`."""

import os
import sys
from argparse import Namespace
from pathlib import Path

os.environ |= {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from dask.distributed import LocalCluster
from forecaster_script import LENGTH, observation, reverting_rows, small

from benchmarks import league
from pipelines.core.artifacts import write_json
from pipelines.core.params import read
from pipelines.features.market_context import CONTEXT
from pipelines.features.spec import FEATURE_NAMES

KINDS = ("ar", "gru", "lstm")


def write_inputs(rows):
    """data/raw and data/features of made-up rows."""
    columns = {
        "market_id": rows.market_id,
        "event_id": np.array([f"e{number}" for number in rows.event]),
        "ts_s": rows.ts_s,
        "slice": rows.slice_name,
        "mid_units": rows.mid_units.astype(np.int32),
        "volume_micro": rows.volume_micro,
        "tone": rows.tone,
        "headlines": rows.headlines.astype(np.int32),
        "end_s": pa.nulls(len(rows.ts_s), pa.int64()),
        "spread_units": np.zeros(len(rows.ts_s), np.int32),
        "bid_size_micro": np.zeros(len(rows.ts_s), np.int64),
        "ask_size_micro": np.zeros(len(rows.ts_s), np.int64),
        "sentiment": rows.sentiment,
    } | {name: rows.features[:, index] for index, name in enumerate(FEATURE_NAMES)}
    columns |= {name: np.zeros(len(rows.ts_s)) for name in CONTEXT}
    Path("data/features").mkdir(parents=True)
    Path("data/raw").mkdir()
    pq.write_table(pa.table(columns), "data/features/features.parquet")
    write_json(Path("data/features/slices.json"), {"length_s": LENGTH})
    write_json(Path("data/features/scaler.json"), observation(rows))
    about = {
        "question": "q", "token_yes": "1", "token_no": "2", "tick_units": 100, "min_size_micro": 5_000_000,
        "fee_rate": 0.0, "fee_exponent": 1.0, "start_s": None, "end_s": None, "topic": "", "neg_risk": False,
        "version": "v1",
    }  # fmt: skip
    markets = [about | {"market_id": name, "event_id": name} for name in dict.fromkeys(rows.market_id.tolist())]
    pq.write_table(pa.Table.from_pylist(markets), "data/raw/markets.parquet")


def main(folder, params_file):
    """Run the league here, in the folder `single`, and on three Dask workers, in the folder `dask`."""
    params = small(read(Path(params_file)), replicas=1)
    few = params.league.model_copy(update={"windows": 512, "epochs": 1})
    params = params.model_copy(update={"league": few})
    rows = reverting_rows(markets=20, bars=300)

    def run(scheduler):
        compute = params.compute.model_copy(update={"scheduler": scheduler})
        league.load = lambda: params.model_copy(update={"compute": compute})
        asked = {"kinds": KINDS, "edge": [], "world": [], "recorded": [], "worlds": 1, "seeds": 1, "size": "small"}
        league.run(Namespace(**asked, keep_limit=True))

    for where in ("single", "dask"):
        Path(folder, where).mkdir()
        os.chdir(Path(folder, where))
        write_inputs(rows)
        if where == "single":
            run(where)
            continue
        with LocalCluster(n_workers=3, threads_per_worker=1, processes=True, dashboard_address=None) as cluster:
            run(cluster.scheduler_address)


if __name__ == "__main__":
    main(*sys.argv[1:])
