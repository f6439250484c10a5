"""The matching engine: integer ticks, integer base units, one book per market for both tokens."""
