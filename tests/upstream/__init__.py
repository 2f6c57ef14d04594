"""Tests of the model upstreams."""
