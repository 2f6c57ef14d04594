"""Servers that are killed, and clients that come back."""
