"""The hosted tools: what the server itself does when a model calls for it."""
