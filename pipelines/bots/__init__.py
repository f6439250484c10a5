"""The guide's documented bots on a recording with an underlying: temporal arbitrage and spike fading after costs."""
