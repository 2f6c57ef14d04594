"""Tests of the API over real HTTP on loopback."""
