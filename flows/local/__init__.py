"""The whole system on one machine: start the children, run the nightly flow, serve the bot, stop in order."""
