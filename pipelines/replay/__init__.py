"""Markets replayed bar by bar through `decide`: shared by backtest, gate, agent and parity."""
