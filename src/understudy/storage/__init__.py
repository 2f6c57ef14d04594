"""Rows, transactions, claims and leases: one port, and an adapter for each database."""
