"""Stage validate: what data/raw must satisfy before anything learns from it."""
