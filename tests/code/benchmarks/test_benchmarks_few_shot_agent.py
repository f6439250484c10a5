"""What `benchmarks.few_shot_agent` lets an agent see of a new family, and what it compares."""

import sys
from pathlib import Path

import numpy as np

from benchmarks.few_shot_agent import BARS, first_bars, summary

sys.path.insert(0, str(Path(__file__).parents[1] / "pipelines" / "replay"))
from test_replay_identity import history


def test_a_new_world_ends_with_the_bars_that_are_seen():
    """No bar after the first K minutes is there, nor a market that begins later; a market that is cut has not ended."""
    past = [history(seed) for seed in range(4)]
    first_s, last_s = min(one.ts_s[0] for one in past), max(one.ts_s[-1] for one in past)
    seen = first_bars(past, 120)
    assert 0 < len(seen) <= len(past)
    whole = {one.market.market_id: one for one in past}
    for one in seen:
        before = whole[one.market.market_id]
        assert np.array_equal(one.ts_s, before.ts_s[before.ts_s <= first_s + 120 * 60])
        assert np.array_equal(one.mean, before.mean[: len(one)])
        assert one.payout_micro is None or len(one) == len(before)
    everything = first_bars(past, int(last_s - first_s) // 60)
    assert all(one is other for one, other in zip(everything, past, strict=True))


def test_what_adapts_is_compared_with_what_does_not_world_by_world():
    """The difference of a method is paired: where it earns the same more in every world its interval is a point."""
    names = [f"{method} {bars}" for method in ("adapted", "reptile", "anew") for bars in BARS]
    rows = [{"seed": seed, "none": 100.0 * seed, **dict.fromkeys(names, 100.0 * seed + 7.0)} for seed in range(4)]
    found = summary(rows)
    assert found["none_pusd"] == 150.0
    assert found["more_pusd"]["reptile 30"] == [7.0, 7.0, 7.0]
