"""Takes the port before anything else is done, so that a taken one is told in plain words."""

import socket

from understudy.errors import Misconfigured


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens. Raises Misconfigured when the address is not to be had."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listening = socket.socket(family, socket.SOCK_STREAM)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(2048)
    except OSError as error:
        raise Misconfigured(
            f"Cannot listen on {host}:{port}: {error.strerror or error}. "
            "Choose another address with --host and --port (--port 0 takes a free one)."
        ) from error
    listening.settimeout(0)
    return listening
