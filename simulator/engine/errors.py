"""Refusals of the engine, in the venue's own words."""


class Refused(Exception):
    """The exchange does not do what was asked. `status` is the HTTP status that goes with the text."""

    def __init__(self, text: str, status: int = 400):
        super().__init__(text)
        self.text = text
        self.status = status


def not_enough_balance(balance_micro: int, amount_micro: int) -> Refused:
    """Refusal of an order that its account cannot back."""
    return Refused(
        "not enough balance / allowance: the balance is not enough -> "
        f"balance: {balance_micro}, order amount: {amount_micro}"
    )
