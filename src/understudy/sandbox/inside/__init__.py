"""What runs on the far side: the zygote, the sessions and their kernels. Standard library only.

These modules are loaded by the Python of the kernels' own environment, never by the server's, and
before anything hostile runs. After that the files they came from are out of sight.
"""
