"""Measures Understudy against a model that costs nothing, and says what each promise came to."""
