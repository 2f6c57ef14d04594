"""The sandbox: stateful Python sessions for hostile code, in a process of their own.

``client`` is what the rest of the server uses. ``runner`` and its neighbours run in the runner
process. ``inside`` runs in the kernels' own Python and closes itself in.
"""
