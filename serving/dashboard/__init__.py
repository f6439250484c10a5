"""What people and machines read of the live process: the page, its state, the metrics, reports of the flows."""
