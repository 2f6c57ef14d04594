"""The official Python client's own generated suites, run with strict validation on the server."""
