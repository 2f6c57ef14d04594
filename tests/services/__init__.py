"""Servers that tests start: one module each."""
