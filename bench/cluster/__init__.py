"""Measures several processes of Understudy over PostgreSQL and NATS, all on this machine."""
