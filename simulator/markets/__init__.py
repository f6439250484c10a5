"""Sources of markets: synthetic ones whose true values are known, replayed recordings, or both."""
