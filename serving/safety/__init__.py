"""What keeps the bot from buying when something is wrong: heartbeats, blocks, checks of the venue, feed and parent."""
