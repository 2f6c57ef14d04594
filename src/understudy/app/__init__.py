"""The composition root: settings in, a running server out. The only room that names adapters."""
