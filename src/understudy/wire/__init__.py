"""Exactly what clients send and see.

``objects`` are what the server shows, in the v2 form that is also what storage keeps; ``params``
are what it accepts; ``v1`` holds the older view of both; ``events`` are the frames of a stream.
"""
