"""Market data in the live process: the stream, bars, feature windows, the listing, headlines."""
