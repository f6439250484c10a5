"""Backtests of one's own: one policy over chosen markets, dates and numbers; two of them compared; a search.

Replays, costs and limits are those of the stage `backtest` (`pipelines.replay`, `pipelines.backtest`); this package
chooses what is played, keeps what came of it in `var/backtests`, and says what it proves.
"""
