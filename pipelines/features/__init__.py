"""Features: one ordered list, a batch form for training and an incremental form for live use, bit-equal."""
