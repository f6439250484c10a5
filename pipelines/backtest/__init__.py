"""Strategies on one account over later, unseen time: figures, report, and the choice of the bundle's policy."""
