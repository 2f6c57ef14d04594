"""What may happen to a run and what follows from it: pure decisions, no clock, no I/O, no await."""
