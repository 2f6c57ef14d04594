"""Workers, legs and the sweeper on real rows."""
