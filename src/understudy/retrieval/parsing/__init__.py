"""Parsing: bytes of many formats in, text out; ``parse`` in ``parse.py`` is the way in.

Importing this package imports no parser, so that the server can ask ``kinds`` what is supported.
"""
