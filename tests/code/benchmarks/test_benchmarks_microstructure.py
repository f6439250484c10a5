"""The benchmark of books and trades reads what is served, and finds what is planted."""

import numpy as np

from benchmarks.microstructure import BOOK_FEATURES, TRADE_FEATURES, measured, synthetic


def test_the_planted_account_is_found_and_its_flow_foretells():
    """Most trades that are called large are the planted account's, its flow has an interval above 0, and a row of it is
    zero while nothing is known."""
    panels, detected = synthetic(2)
    names = (*BOOK_FEATURES, *TRADE_FEATURES)
    found = measured(panels, names)

    assert len(panels) == found["markets"] == 12
    assert all(one.features.shape == (len(one.mid), len(names)) for one in panels)
    assert detected["precision"] > 0.8 < detected["recall"]
    assert found["h5"]["ic"]["large_flow"][1] > 0.0
    assert not np.any([one.features[0, -4:] for one in panels])
