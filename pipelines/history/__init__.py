"""Looking back: what the bot's journal says about trades, profit and loss, decisions. It only reads."""
