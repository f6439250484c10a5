"""What `benchmarks.few_shot_agent` lets an agent see of a new family, and what it compares."""

import sys
from pathlib import Path

from benchmarks.few_shot_agent import BARS, first_bars, summary
from pipelines.replay.account import AccountTape
from pipelines.replay.lanes import field
from pipelines.trading import compiled

sys.path.insert(0, str(Path(__file__).parents[1] / "pipelines" / "replay"))
from test_replay_identity import PARAMS, history, scaler


def test_lanes_end_with_the_bars_that_are_seen():
    """No lane reaches a bar after the first K minutes; markets that begin later are not there; a cut market is not
    resolved."""
    past = [history(seed) for seed in range(4)]
    flat = field(past, scaler(), PARAMS.execution.impact_share, forecast_block=True)
    whole = AccountTape.of(past, flat, PARAMS.execution.impact_share)
    ts_s = flat.bars[:, compiled.TS]
    seen = first_bars(whole, 120).field
    assert 0 < len(seen.first) <= len(flat.first)
    assert (ts_s[seen.last] < ts_s.min() + 120 * 60).all()
    assert (seen.last >= seen.first).all()
    assert not seen.resolved.any()
    longest = int(ts_s.max() - ts_s.min()) // 60 + 1
    everything = first_bars(whole, longest).field
    assert (everything.last == flat.last).all()
    assert (everything.resolved == flat.resolved).all()


def test_what_adapts_is_compared_with_what_does_not_world_by_world():
    """The difference of a method is paired: where it earns the same more in every world its interval is a point."""
    names = [f"{method} {bars}" for method in ("adapted", "reptile", "anew") for bars in BARS]
    rows = [{"seed": seed, "none": 100.0 * seed, **dict.fromkeys(names, 100.0 * seed + 7.0)} for seed in range(4)]
    found = summary(rows)
    assert found["none_pusd"] == 150.0
    assert found["more_pusd"]["reptile 30"] == [7.0, 7.0, 7.0]
