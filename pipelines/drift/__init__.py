"""Has the world left the training window? Features, predictions and residuals of recent bars against it."""
