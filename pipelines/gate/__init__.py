"""The judge: a candidate is promoted only when later, unseen time shows that it earned it."""
