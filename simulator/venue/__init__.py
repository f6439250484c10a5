"""The venue around the engine: time, market maker and noise traders, settlement, tape, and who is told what."""
