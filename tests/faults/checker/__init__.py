"""Judges the history of a fault run.

It knows the contract and the lines of a history (``tests/faults/history.py`` lists them), and
nothing of the product: neither its code nor its rows. Each rule is a function from the account of
a history to the violations that it finds there.
"""
