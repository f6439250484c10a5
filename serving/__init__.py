"""The live bot: a BentoML service with its loop, journal, execution, dashboard and metrics."""
