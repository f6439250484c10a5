"""Faults of a real venue, which the simulator can reproduce by hand or by a schedule."""
