from pipelines.trading import risk


def test_stop_loss_at_the_percentage_or_the_floor():
    """A loss closes when it passes both 2 % of the entry and the floor."""
    assert risk.stop_code(5_000, 5_000, 4_899, 0, 0.02, 0.05, 0.015) == 1
    assert risk.stop_code(5_000, 5_000, 4_899, 300, 0.02, 0.05, 0.015) == 0
    assert risk.stop_code(5_000, 5_000, 4_699, 300, 0.02, 0.05, 0.015) == 1


def test_take_profit():
    """A gain above 5 % of the entry closes."""
    assert risk.stop_code(5_000, 5_251, 5_251, 0, 0.02, 0.05, 0.015) == 2
    assert risk.stop_code(5_000, 5_250, 5_250, 0, 0.02, 0.05, 0.015) == 0


def test_trailing_stop_only_while_in_profit():
    """A fall from the peak closes a position that still gains; one that loses waits for its stop-loss."""
    assert risk.stop_code(5_000, 5_200, 5_100, 0, 0.02, 0.05, 0.015) == 3
    assert risk.stop_code(5_000, 5_090, 5_000, 0, 0.02, 0.05, 0.015) == 0


def test_a_fraction_of_zero_turns_a_stop_off():
    """Each stop can be switched off by its parameter."""
    assert risk.stop_code(5_000, 6_000, 100, 0, 0.0, 0.0, 0.0) == 0


def test_the_floor_covers_spread_ticks_and_costs():
    """No stop is nearer than spread + 2 ticks nor than the given number of round trips."""
    assert risk.stop_floor(100, 100, 450.0, 2.0, 300, 0.0) == 900
    assert risk.stop_floor(900, 100, 450.0, 2.0, 300, 0.0) == 1_100
