"""The book replay against a real recording of the venue's market channel; skipped where there is none."""

import os
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from pipelines.core.domain import FeeSchedule
from pipelines.replay.recorded_books import read, replay

BOOKS = Path(os.environ["ODDSMITH_RECORDINGS"]) / "books"
EVENTS, TOP = BOOKS / "mlb_2025_ws_events.parquet", BOOKS / "mlb_2025_ws_top_of_book.parquet"

pytestmark = pytest.mark.skipif(
    not EVENTS.exists(), reason=f"no recordings at {BOOKS}; set ODDSMITH_RECORDINGS to the folder that holds books/"
)


def test_the_replayed_touch_is_the_one_that_another_program_found():
    """After the last event of each moment, best bid and ask are those of the collector's own replay, nearly always."""
    top = pq.read_table(TOP).to_pandas()
    equal = total = 0
    for token, events in read(EVENTS).items():
        reference = top[(top["token_id"] == token) & ~top["crossed"]].dropna(subset=["best_bid", "best_ask"])
        reference = reference.drop_duplicates("timestamp", keep="last")
        made = replay(events, np.zeros((0, 5), dtype=np.int64), 10, FeeSchedule(0.0), "neutral").quotes
        stamps = reference["timestamp"].astype("int64").to_numpy()
        scale = 10 ** (len(str(stamps[0])) - 13) if len(stamps) else 1
        rows = np.searchsorted(events[:, 0], stamps // scale, side="right") - 1
        wanted = np.rint(reference[["best_bid", "best_ask"]].to_numpy() * 10_000).astype(np.int64)
        equal += int((made[rows] == wanted).all(axis=1).sum())
        total += len(wanted)
    assert total > 30_000
    assert equal / total > 0.97, (equal, total)
