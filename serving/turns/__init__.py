"""The turns of the bot: at every close, and between two where a reference price asks for one."""
