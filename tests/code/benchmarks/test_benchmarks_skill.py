"""The line of `benchmarks.skill`: its keys, the sums over worlds, and what an interrupted run keeps."""

import json

import pytest

from benchmarks.skill import KeptSkill, share, summary

KEYS = {"share_edge_1", "share_edge_05", "trading_share_edge_1", "network_adds", "recorded", "edge_0_false"}


def _world(edge, seed, whole, limit=0.08, low=-0.001, world="reversion"):
    trading = {"rule_pusd": 900.0, "rule_on_limit_pusd": 1000.0} if edge == 1.0 else {}
    adds = {"network_adds": [0.001, -0.001, 0.003], "whole_interval": [low, 0.1]}
    return {"world": world, "edge": edge, "seed": seed, "whole_skill": whole, "limit_skill": limit, **adds, **trading}


ROWS = [
    _world(1.0, 1, 0.076),
    _world(1.0, 2, 0.072),
    _world(0.5, 1, 0.023, 0.025),
    _world(0.0, 1, 0.0, 0.0, low=0.0),
    _world(0.0, 2, 0.0, 0.0, low=0.0004),
    {"recorded": "a.parquet", "ratio": {"1": [0.98, 0.97, 0.99]}},
]


def test_the_line_has_the_keys_that_are_promised():
    """One line of JSON holds shares with intervals, what the network adds per world, recordings and false alarms."""
    line = json.loads(json.dumps(summary(ROWS, [1.0, 0.5, 0.0], 2, ["a.parquet"])))
    assert set(line) >= KEYS
    assert line["share_edge_1"][0] == pytest.approx((0.076 + 0.072) / 0.16)
    assert line["share_edge_05"][0] == pytest.approx(0.92)
    assert line["trading_share_edge_1"] == [0.9, 0.9, 0.9]
    assert line["network_adds"]["reversion, edge 0.5, seed 1"] == [0.001, -0.001, 0.003]
    assert line["recorded"] == {"a.parquet": {"1": [0.98, 0.97, 0.99]}}
    assert line["edge_0_false"] == 1


def test_what_was_not_measured_is_null():
    """Without worlds of an edge its figures are null, not zero."""
    line = summary([], [1.0], 2, [])
    assert line["share_edge_1"] is None
    assert line["share_edge_05"] is None
    assert line["edge_0_false"] is None
    assert line["network_adds"] == {}


def test_the_interval_is_that_of_worlds():
    """A share is the sum of the parts over the sum of the wholes, and lies within what resampled worlds give."""
    rows = [{"part": 0.5 + 0.1 * k, "whole": 1.0} for k in range(5)]
    value, low, high = share(rows, "part", "whole")
    assert value == pytest.approx(0.7)
    assert 0.5 <= low < value < high <= 0.9


def test_a_finished_world_is_not_measured_again(tmp_path):
    """A second run takes what the first wrote under the same digest, and repeats a line that was cut short."""
    path, asked = tmp_path / "skill.jsonl", []

    def measure():
        asked.append(1)
        return {"whole_skill": 0.1}

    KeptSkill(path, "digest").once({"edge": 1.0, "seed": 1}, measure)
    KeptSkill(path, "digest").once({"edge": 1.0, "seed": 1}, measure)
    assert len(asked) == 1
    KeptSkill(path, "other").once({"edge": 1.0, "seed": 1}, measure)
    assert len(asked) == 2
    path.write_text(path.read_text()[:-10])
    KeptSkill(path, "other").once({"edge": 1.0, "seed": 1}, measure)
    assert len(asked) == 3
