"""Headlines: feeds, which markets they are about, how good the news is, and how it fades."""
