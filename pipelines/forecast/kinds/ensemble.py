"""`ensemble`: dense network, LSTM-GRU, Transformer and trees over filter and linear path, weighted by performance.

The guide's "multi-modal ensemble" (chapter 11). Members learn on the earlier part of the fit slice; then their weights
are learned bar by bar on its latest part, which no member has seen, and sealed. Filter and linear path themselves are
the member that adds nothing. Every night's training moves the weights on.
"""

from pipelines.forecast.ensemble import BASE, ensemble

FORECASTER = ensemble(
    "dense network, LSTM-GRU, Transformer and trees, weighted by recent performance",
    (BASE, "mlp", "hybrid", "transformer", "boosting"),
)
