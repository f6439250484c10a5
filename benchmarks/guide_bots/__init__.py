"""The bots that the guide describes, replayed on recordings."""
