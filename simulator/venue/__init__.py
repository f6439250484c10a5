"""The venue around the engine: time, market maker, noise traders, settlement, public trades, rewards."""
