"""How the scorer `tone` is made: sentences with labels of their own grammar, and the training."""
