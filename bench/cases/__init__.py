"""The cases, one file each: what is asked of the server, and how the answer is measured."""
