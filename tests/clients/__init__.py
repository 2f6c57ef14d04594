"""Official clients, unmodified and as processes of their own, against a live server."""
