"""Cgroups: what bounds a session's memory, processors and processes, and freezes it."""
