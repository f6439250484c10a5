"""Everything that knows Polymarket: wire schemas, public reads, streams and the live gateway."""
