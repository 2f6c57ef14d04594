"""The Dispatch port, run by every adapter."""
