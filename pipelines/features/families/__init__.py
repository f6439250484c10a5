"""Families of features, one module each with its `FEATURES`; `spec` puts them in order."""
