"""Decisions about runs: events in, changes out."""
