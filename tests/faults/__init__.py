"""Faults under load: what happens is written down, and a checker judges it by the contract."""
