"""Tests of the command line: every command as a process, as users run it."""
