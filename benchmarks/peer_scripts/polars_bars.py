"""Polars' streaming engine over the bars of a raw folder (the argument), as `benchmarks.table_engines` asks: one JSON
line with seconds, peak memory and the sums of its counts."""

import json
import resource
import sys
import time

import polars as pl

began = time.perf_counter()
scan = pl.scan_parquet(f"{sys.argv[1]}/data/raw/bars/*/*.parquet").select("market_id", "ts_s", "mid_units")
before = scan.sort("market_id", "ts_s").with_columns(
    moved=pl.col("mid_units").diff().over("market_id") != 0, step=pl.col("ts_s").diff().over("market_id")
)
made = (
    before.group_by("market_id")
    .agg(bars=pl.len(), moves=pl.col("moved").sum(), holes=(pl.col("step") > 60).sum())
    .collect(engine="streaming")
)
seconds = time.perf_counter() - began
peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1_024
sums = {name: int(made[name].sum()) for name in ("bars", "moves", "holes")}
print(json.dumps({"seconds": round(seconds, 1), "peak_mb": round(peak_mb), **sums}))
