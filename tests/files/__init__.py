"""Stored bytes."""
