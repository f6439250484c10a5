"""Messages to people: fills, stops, limits, nights, through any service that apprise knows (Telegram, mail, ...)."""
