"""Series markets: the price of an underlying, its feeds, and the windows that settle on it.

underlying.py   the price second by second: a jump diffusion with changing volatility; candles, averages
kinds.py        which series there are; texts.py: their titles and rule texts, in the venue's words
windows.py      consecutive windows of a series: the quotes of other traders, and outcomes
misquotes.py    makers that err for seconds, so that markets of one event contradict each other
source.py       the series as a source of the venue, joined to its other markets
feeds.py        what the socket of reference prices sends at a step, with its silences
"""
