"""From a target to money: fills on integers, sizing, limits, policies, orders, the ledger and the paper gateway."""
