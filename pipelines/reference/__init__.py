"""Prices of the assets that series markets settle on, and the probability that they imply.

    prices.py      one price (`Price`), what every source gives, and the path of one asset's prices from one source
    habit.py       how far a price usually moves, and for how long it stays unchanged
    pair.py        two sources of one asset: whether they agree, and confirm a jump
    fair.py        probability of YES under a market's settlement rule: `Inputs.fair`, wherever it is filled
    external.py    external probabilities of markets
    stated_file.py a file of them that somebody appends to, for markets of the venue
    board.py       the paths of all assets; a market's fair value, or why there is none
    rtds.py        the venue's socket (Binance and Chainlink prices)
    exchange.py    an exchange's public stream
    recorded.py    a table of prices that a recorder kept
    segments.py    the prices of the landing zone

A price has two times: when it was made and when it could be known. Nothing here reads a clock.
"""
