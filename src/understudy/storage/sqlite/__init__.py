"""SQLite: the database of the embedded mode."""
