"""Prefect: when things run. The local stack that `make run` starts."""
