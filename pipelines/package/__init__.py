"""Stage package: seal forecaster, policy and sizing into one bundle with one hash."""
