"""Where markets come from: synthetic with a known truth, replayed from recordings, or both."""
