"""Live against replay: the journal's bars through decide() again, its fills against the modelled ones."""
