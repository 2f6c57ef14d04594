"""Understudy: a self-hosted stand-in for the OpenAI Assistants API."""

__version__ = "0.1.0"
