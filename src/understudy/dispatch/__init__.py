"""Wake-ups for workers and events for streams: one port, and an adapter for each way."""
