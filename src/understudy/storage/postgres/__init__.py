"""PostgreSQL: the database of a cluster."""
