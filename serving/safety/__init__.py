"""Stops buying when something is wrong: heartbeats, blocks, checks of the venue, of the feed and of the parent
process."""
