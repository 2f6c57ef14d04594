"""``python -m understudy.retrieval.reading FD``: the process that forks a child for each file."""

import sys
from socket import socket

from understudy.retrieval.reading.zygote import serve

if __name__ == "__main__":
    serve(socket(fileno=int(sys.argv[1])))
