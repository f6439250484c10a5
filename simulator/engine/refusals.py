"""Refusals of the engine, with the texts of the venue."""


class Refused(Exception):
    """A request that the venue refuses. `text` is its error message, `status` the HTTP status of the answer."""

    def __init__(self, text: str, status: int = 400):
        super().__init__(text)
        self.text = text
        self.status = status


def not_enough_balance(
    balance_micro: int, amount_micro: int, *, active_micro: int = 0, matched_micro: int = 0
) -> Refused:
    """Refusal of an order or a transfer that an account cannot pay for.

    `active_micro` is reserved for open orders. `matched_micro` is spent by trades that are not settled; until then
    it is part of the balance. The text names both only if they are not 0, as on the venue.
    """
    sums = f", sum of matched orders: {matched_micro}" if active_micro or matched_micro else ""
    if active_micro:
        sums = f", sum of active orders: {active_micro}{sums}"
    fees = " (inc. fees)" if sums else ""
    return Refused(
        "not enough balance / allowance: the balance is not enough -> "
        f"balance: {balance_micro}{sums}, order amount{fees}: {amount_micro}"
    )


def not_enough_allowance(spender: str, allowance_micro: int, amount_micro: int) -> Refused:
    """Refusal of an order above the allowance of the exchange contract `spender`."""
    return Refused(
        "not enough balance / allowance: the allowance is not enough -> "
        f"spender: {spender}, allowance: {allowance_micro}, order amount: {amount_micro}"
    )
