"""Refusals of the engine, in the venue's own words."""


class Refused(Exception):
    """The exchange does not do what was asked. `status` is the HTTP status that goes with the text."""

    def __init__(self, text: str, status: int = 400):
        super().__init__(text)
        self.text = text
        self.status = status


def not_enough_balance(
    balance_micro: int, amount_micro: int, *, active_micro: int = 0, matched_micro: int = 0
) -> Refused:
    """Refusal of an amount that an account cannot back.

    `active_micro` backs open orders; `matched_micro` is spent by trades that are not settled, and is part of
    the balance until they are. The venue names them only where there are any.
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
    """Refusal of an amount that an exchange contract may not take."""
    return Refused(
        "not enough balance / allowance: the allowance is not enough -> "
        f"spender: {spender}, allowance: {allowance_micro}, order amount: {amount_micro}"
    )
