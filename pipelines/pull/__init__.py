"""Stage pull: markets, bars and headlines of one window, from the venue or from a recording, into data/raw."""
