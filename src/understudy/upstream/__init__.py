"""Language models: one port, and an adapter for each dialect."""
