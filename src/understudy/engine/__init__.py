"""Drives runs: time, concurrency and leases live here, decisions in ``runs``."""
