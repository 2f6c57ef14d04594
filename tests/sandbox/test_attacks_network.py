"""Attacks N1 to N11: nothing leaves the sandbox over any kind of socket."""

import platform
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from .attempts import ATTEMPTS, assert_stopped
from .station import Station, run

x86_only = pytest.mark.skipif(platform.machine() != "x86_64", reason="dialects of x86_64")


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


async def test_n1_to_n3_no_host_metadata_service_or_dns(
    small: Station, listener: socket.socket
) -> None:
    port = listener.getsockname()[1]
    transcript = await small.run(
        ATTEMPTS
        + f"""
import socket, urllib.request
attempt("host", lambda: socket.create_connection(("127.0.0.1", {port}), 2))
attempt("metadata", lambda: socket.create_connection(("169.254.169.254", 80), 2))
attempt("url", lambda: urllib.request.urlopen("http://127.0.0.1:{port}/", timeout=2))
attempt("dns", lambda: socket.getaddrinfo("example.com", 80))
attempt("udp", lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
attempt("udp6", lambda: socket.socket(socket.AF_INET6, socket.SOCK_DGRAM))
over()
"""
    )
    assert_stopped(transcript)


async def test_n4_the_hosts_abstract_sockets_are_out_of_reach(small: Station) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("\0understudy-canary")
        server.listen()
        transcript = await small.run(
            ATTEMPTS
            + """
import socket
attempt("abstract", lambda: socket.socket(socket.AF_UNIX).connect("\\0understudy-canary"))
over()
"""
        )
    assert_stopped(transcript)


async def test_n5_the_hosts_named_sockets_are_out_of_reach(small: Station, tmp_path: Path) -> None:
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()
        transcript = await small.run(
            ATTEMPTS
            + f"""
import socket
for path in ({str(path)!r}, {str(small.socket)!r}, "/run/docker.sock", "/var/run/docker.sock"):
    attempt(path, lambda: socket.socket(socket.AF_UNIX).connect(path))
over()
"""
        )
    assert_stopped(transcript)


async def test_n6_n7_no_family_but_unix_gives_a_socket_vsock_included(small: Station) -> None:
    transcript = await small.run(
        ATTEMPTS
        + """
import socket
for family in range(47):
    for kind in (1, 2, 3, 5):
        for protocol in (0, 1, 2, 6, 17, 255):
            if family != socket.AF_UNIX:
                attempt((family, kind, protocol), lambda: socket.socket(family, kind, protocol))
over()
"""
    )
    assert_stopped(transcript)


MACHINE_CODE = """
import ctypes, mmap
page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
page.write(bytes.fromhex({code!r}))
call = ctypes.CFUNCTYPE(ctypes.c_long)(ctypes.addressof(ctypes.c_char.from_buffer(page)))
print("OPEN", call())
"""


@x86_only
async def test_n8_calls_in_the_32_bit_dialect_end_the_kernel(small: Station) -> None:
    # mov eax, 20 (getpid); int 0x80; ret
    transcript = await small.run(MACHINE_CODE.format(code="b814000000cd80c3"))
    assert "OPEN" not in transcript.text
    assert transcript.end.status == "died"
    await small.check_well()


@x86_only
async def test_n9_calls_in_the_x32_dialect_end_the_kernel(small: Station) -> None:
    # mov eax, 0x40000027 (getpid); syscall; ret
    transcript = await small.run(MACHINE_CODE.format(code="b8270000400f05c3"))
    assert "OPEN" not in transcript.text
    assert transcript.end.status == "died"
    await small.check_well()


async def test_n10_no_io_uring(small: Station) -> None:
    transcript = await small.run(
        ATTEMPTS
        + """
for number in (425, 426, 427):
    attempt(number, lambda: call(number, 8, bytes(512)))
over()
"""
    )
    assert_stopped(transcript)


async def test_n11_sessions_do_not_reach_each_other(small: Station) -> None:
    async with small.session() as one, small.session() as other:
        bound = await run(
            one,
            """
import socket, threading
server = socket.socket(socket.AF_UNIX); server.bind("\\0meeting-point"); server.listen()
named = socket.socket(socket.AF_UNIX); named.bind("/tmp/meeting"); named.listen()
open("/dev/shm/shared", "w").write("x")
""",
        )
        assert bound.end.status == "done", bound
        transcript = await run(
            other,
            ATTEMPTS
            + """
import socket
attempt("abstract", lambda: socket.socket(socket.AF_UNIX).connect("\\0meeting-point"))
attempt("named", lambda: socket.socket(socket.AF_UNIX).connect("/tmp/meeting"))
attempt("shared memory", lambda: open("/dev/shm/shared"))
over()
""",
        )
    assert_stopped(transcript)
