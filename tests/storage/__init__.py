"""The Storage port, run by every adapter."""
