"""Things that go wrong on a real venue, switched on by hand or by a schedule."""
