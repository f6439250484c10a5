"""Commands query and export: the time series of data/raw and of the landing zone, read with DuckDB."""
