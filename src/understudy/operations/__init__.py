"""What a caller may ask for: one file per resource, one transaction per request."""
