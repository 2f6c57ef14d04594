"""Attacks K1 to K12: a kernel that lies to the runner harms only its own session."""

from .attempts import assert_stopped
from .station import MIB, Station, run

# How a hostile cell writes frames of its own, and how it finds the nonce of the cell it is in.
FORGE = """
import os, struct, sys
def forge(kind, body=b"", length=None):
    frame = struct.pack("<IB", len(body) if length is None else length, ord(kind)) + body
    while frame:
        frame = frame[os.write(3, frame):]
def stolen():
    frame = sys._getframe()
    while frame:
        if "nonce" in frame.f_locals:
            return frame.f_locals["nonce"]
        frame = frame.f_back
"""


async def test_k1_an_end_without_the_nonce_is_no_end(small: Station) -> None:
    transcript = await small.run(FORGE + 'forge("D", bytes(16) + b"1"); print("still here")')
    assert transcript.text == "still here\n"
    assert transcript.end.status == "done"


async def test_k2_a_stolen_end_stops_the_session_until_its_next_cell(small: Station) -> None:
    async with small.session() as session:
        stolen = await run(
            session,
            FORGE
            + 'forge("D", stolen() + b"1")\nimport time\nfor _ in range(10**9): time.sleep(0.01)',
        )
        assert stolen.end.status == "done"
        await small.check_well()
        later = await run(session, "print('next')")
        assert later.end.status in {"interrupted", "died"}
    await small.check_well()


async def test_k3_a_frame_of_4_gib_ends_the_session(small: Station) -> None:
    before = small.resident_bytes
    transcript = await small.run(
        FORGE + 'forge("P", b"x" * 100, 0xFFFFFFFF)\nwhile True: os.write(3, bytes(1 << 16))'
    )
    assert transcript.end.status == "died"
    assert small.resident_bytes - before < 16 * MIB
    await small.check_well()


async def test_k4_a_flood_of_small_frames_is_cut_off(small: Station) -> None:
    before = small.resident_bytes
    transcript = await small.run(
        FORGE
        + """
frames = struct.pack("<IB", 1, ord("R")) + b"x"
while True: os.write(3, frames * 1000)
"""
    )
    assert transcript.end.status in {"interrupted", "died"}
    assert len(transcript.texts) <= 501
    assert small.resident_bytes - before < 32 * MIB
    await small.check_well()


async def test_k5_a_flood_of_images_keeps_to_its_budget(small: Station) -> None:
    before = small.resident_bytes
    transcript = await small.run(
        FORGE
        + """
picture = b"\\x89PNG\\r\\n\\x1a\\n" + bytes(4 << 20)
for _ in range(200): forge("P", picture)
"""
    )
    assert sum(len(image.data) for image in transcript.images) <= 32 * MIB
    assert transcript.end.truncated
    assert small.resident_bytes - before < 128 * MIB
    await small.check_well()


async def test_k6_half_a_frame_waits_no_longer_than_the_cell(small: Station) -> None:
    transcript = await small.run(FORGE + 'forge("P", b"half", 1000)\nimport time; time.sleep(1000)')
    assert transcript.end.status in {"interrupted", "died"}
    await small.check_well()


async def test_k7_a_closed_stream_ends_the_session(small: Station) -> None:
    transcript = await small.run("import os, time; os.close(3); time.sleep(1000)")
    assert transcript.end.status == "died"
    closed = await small.run("import os, time\nfor fd in (0, 1, 2): os.close(fd)")
    assert closed.end.status in {"done", "failed", "died"}
    await small.check_well()


async def test_k8_descriptors_pushed_at_the_runner_are_not_taken(small: Station) -> None:
    await small.check_well()
    async with small.session() as session:
        before = small.open_files
        transcript = await run(
            session,
            FORGE
            + """
import array, socket
own = socket.socket(fileno=os.dup(3))
files = [os.open("/dev/zero", os.O_RDONLY) for _ in range(50)]
attached = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", files))]
for _ in range(10):
    own.sendmsg([struct.pack("<IB", 1, ord("R")) + b"x"], attached)
print("over")
""",
        )
        assert "over" in transcript.text
        # 500 were pushed; the pool may open a few of its own meanwhile.
        assert small.open_files < before + 40
    await small.check_well()


async def test_k9_frames_between_cells_belong_to_nobody(small: Station) -> None:
    async with small.session() as session:
        await run(
            session,
            FORGE
            + """
import threading, time
def late():
    while True:
        forge("R", b"stale\\n")
        os.write(1, b"stale\\n")
        time.sleep(0.001)
threading.Thread(target=late, daemon=True).start()
""",
        )
        fresh = await run(session, "print('own')")
        assert "own\n" in fresh.text
        assert fresh.end.status == "done"
    other = await small.run("print('clean')")
    assert other.text == "clean\n"


async def test_k10_a_patched_kernel_harms_only_itself(small: Station) -> None:
    async with small.session() as session:
        await run(
            session,
            """
import sys
kernel = sys.modules["understudy.sandbox.inside.kernel"]
def lie(nonce, code):
    kernel.send(ord("T"), b"patched\\n")
    kernel.send(ord("D"), nonce, b"1")
kernel._run = lie
""",
        )
        patched = await run(session, "print('own')")
        assert patched.text == "patched\n"
    await small.check_well()


async def test_k11_a_frame_of_no_known_kind_ends_the_session(small: Station) -> None:
    for kind in "AOZB!Xo\\x00":
        transcript = await small.run(
            FORGE + f'forge("{kind}", b"{{}}")\nimport time; time.sleep(1000)'
        )
        assert transcript.end.status == "died", kind
        if kind == "X":
            break
    await small.check_well()


async def test_k11_what_is_no_image_is_not_passed_on(small: Station) -> None:
    transcript = await small.run(
        FORGE + 'forge("P", b"<svg onload=alert(1)>"); forge("J", b"%PDF-1.7"); print("over")'
    )
    assert_stopped(transcript)
    assert not transcript.images


async def test_k12_odd_bytes_come_out_as_clean_text(small: Station) -> None:
    transcript = await small.run(
        FORGE
        + """
os.write(1, b"nul \\0 bad \\xff\\xfe split ")
os.write(1, b"\\xe2\\x82"); os.write(1, b"\\xac ")
print("surrogate \\ud800", "escape \\x1b[31m")
forge("R", b"nul \\0 bad \\xff \\xed\\xa0\\x80")
raise ValueError("nul \\0 lone \\udcff")
"""
    )
    text = transcript.text
    assert "\0" not in text
    assert "\N{EURO SIGN}" in text
    assert not any(0xD800 <= ord(character) < 0xE000 for character in text)
    text.encode()
    assert "escape \x1b[31m" in text
