"""Reading in processes that may break: whatever happens there, the server is not disturbed."""

import asyncio
import os
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from pathlib import Path

import psutil
import pytest
from structlog.testing import capture_logs

from tests.retrieval import made_files as made
from understudy.retrieval.document import TOO_LARGE, UNSUPPORTED, Unreadable
from understudy.retrieval.reading.answer import Answer
from understudy.retrieval.reading.frames import Batch, Finished, decode_frame, encode_frame
from understudy.retrieval.reading.limits import ReadingLimits
from understudy.retrieval.reading.reader import Reader
from understudy.storage.chunks import Chunk, IndexedChunk, Vector

BROKE_OFF = "The file could not be parsed because it is damaged or needs too much memory."
TOO_LONG = "The file could not be parsed because it takes too long."
STOPPED = "The process that read the file was stopped."
WAIT_SECONDS_MAX = 20
MEBIBYTE = 1024 * 1024
MAY_READ_ALL = 1 << 1 | 1 << 2  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH

Start = Callable[..., Reader]


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    readers: list[Reader] = []

    def started(**limits: int) -> Reader:
        readers.append(Reader(ReadingLimits(**limits)))  # type: ignore[arg-type]
        return readers[-1]

    yield started
    for reader in readers:
        await reader.close()
    assert not psutil.Process().children()


@pytest.fixture
def file(tmp_path: Path) -> Callable[[bytes], Path]:
    def written(content: bytes) -> Path:
        path = tmp_path / f"{len(list(tmp_path.iterdir()))}"
        path.write_bytes(content)
        return path

    return written


@pytest.fixture
def silent_file(tmp_path: Path) -> Path:
    """Return a file that never ends to be opened: a reading that lasts until it is stopped."""
    path = tmp_path / "silent"
    os.mkfifo(path)
    return path


async def read(reader: Reader, path: Path, filename: str = "a.txt") -> list[IndexedChunk]:
    found: list[IndexedChunk] = []
    async with aclosing(reader.read(path, filename, size_tokens=100, overlap_tokens=50)) as batches:
        async for batch in batches:
            found += batch
    return found


async def refusal(reading: Awaitable[object]) -> tuple[str, str]:
    with pytest.raises(Unreadable) as caught:
        await reading
    return caught.value.code, caught.value.message


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(WAIT_SECONDS_MAX):
        while not condition():  # noqa: ASYNC110 -- other processes set no event
            await asyncio.sleep(0.01)


def zygote() -> psutil.Process:
    (process,) = psutil.Process().children()
    return process


async def child_at_work() -> psutil.Process:
    await until(lambda: bool(psutil.Process().children(recursive=True)[1:]))
    return zygote().children()[0]


def has_ended(process: psutil.Process) -> bool:
    """Return whether a process is over, though its last parent may not have looked yet."""
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def sentences(count: int) -> bytes:
    return " ".join(f"Sentence number {number} is here." for number in range(count)).encode()


async def test_a_file_becomes_chunks_with_places_and_terms(
    start: Start, file: Callable[[bytes], Path]
) -> None:
    content = sentences(5000)
    chunks = await read(start(), file(content))
    text = content.decode()
    assert len(chunks) > 100
    assert {text[one.chunk.start : one.chunk.end] == one.chunk.text for one in chunks} == {True}
    assert (chunks[0].chunk.start, chunks[-1].chunk.end) == (0, len(text))
    assert all(one.terms.split() for one in chunks)


async def test_pages_are_told(start: Start, file: Callable[[bytes], Path]) -> None:
    chunks = await read(start(), file(made.pdf("First page", "Second page")), "a.pdf")
    assert chunks[0].chunk.page_first == 1
    assert chunks[-1].chunk.page_last == 2


async def test_files_are_read_side_by_side(start: Start, file: Callable[[bytes], Path]) -> None:
    reader = start()
    paths = [file(f"Number {number}".encode()) for number in range(8)]
    found = await asyncio.gather(*(read(reader, path) for path in paths))
    assert [one[0].chunk.text for one in found] == [f"Number {number}" for number in range(8)]


async def test_a_zygote_lives_through_many_files(
    start: Start, file: Callable[[bytes], Path]
) -> None:
    """A child ends and its server hangs up in the same moment, in either order."""
    reader, path = start(), file(b"A few words")
    await read(reader, path)
    first = zygote()
    for _ in range(25):
        await asyncio.gather(*(read(reader, path) for _ in range(4)))
    assert zygote() == first


async def test_a_refusal_comes_with_its_words(start: Start, file: Callable[[bytes], Path]) -> None:
    refused = await refusal(read(start(), file(b"\x89PNG\r\n\x1a\n" + bytes(99)), "a.pdf"))
    assert refused == ("unsupported_file", UNSUPPORTED)


async def test_a_file_that_is_gone_is_not_its_owners_fault(start: Start, tmp_path: Path) -> None:
    code, _ = await refusal(read(start(), tmp_path / "gone"))
    assert code == "server_error"


async def test_too_many_tokens(start: Start, file: Callable[[bytes], Path]) -> None:
    reader = start(tokens_max=1000)
    assert await refusal(read(reader, file(sentences(1000)))) == ("invalid_file", TOO_LARGE)
    assert await read(reader, file(sentences(10)))


async def test_two_hundred_megabytes_of_text(start: Start, tmp_path: Path) -> None:
    path = tmp_path / "large"
    with path.open("wb") as written:
        for _ in range(200):
            written.write(b"All work and no play. \n" * 45_590)
    assert path.stat().st_size > 200 * 1_000_000
    assert await refusal(read(start(), path)) == ("invalid_file", TOO_LARGE)


async def test_a_file_that_needs_too_much_memory(
    start: Start, file: Callable[[bytes], Path]
) -> None:
    """Two cells in the corners of a sheet, between them 17 thousand million empty ones."""
    corners = (
        '<row r="1"><c r="A1"><v>1</v></c></row>'
        '<row r="1048576"><c r="XFD1048576"><v>1</v></c></row>'
    )
    sheet = made.sheet_xml([]).replace(
        "<sheetData></sheetData>", f"<sheetData>{corners}</sheetData>"
    )
    bomb = made.replaced(made.workbook({"A": []}), {"xl/worksheets/sheet1.xml": sheet})
    reader = start(memory_bytes_max=256 * MEBIBYTE)
    code, message = await refusal(read(reader, file(bomb), "a.xlsx"))
    assert code == "invalid_file"
    assert message in (BROKE_OFF, TOO_LARGE)
    assert await read(reader, file(b"The next one"))


async def test_a_refusal_tells_the_log_what_broke_and_quotes_no_file(
    start: Start, file: Callable[[bytes], Path]
) -> None:
    content = b"Nobody else may read this. " * 1000 + b"\xff"
    with capture_logs() as logs, pytest.raises(Unreadable) as caught:
        await read(start(), file(content))
    assert re.fullmatch(r"UnicodeDecodeError in \S+, line \d+", caught.value.detail)
    assert str(caught.value) == f"{caught.value.message} ({caught.value.detail})"
    assert [line["event"] for line in logs if "landlock" not in line["event"]] == []


async def test_a_reading_that_takes_too_long_is_stopped(
    start: Start, silent_file: Path, file: Callable[[bytes], Path]
) -> None:
    reader = start(seconds_max=1)
    assert await refusal(read(reader, silent_file)) == ("invalid_file", TOO_LONG)
    await until(lambda: not zygote().children())
    assert await read(reader, file(b"The next one"))


PAGES = b"<< /Type /Pages /Kids [%b] /Count %d >>"
CATALOGUE = b"<< /Type /Catalog /Pages 2 0 R >>"
PAGE = (
    b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 9 9] /Contents 4 0 R "
    b"/Resources << /XObject << %b >> >> >>"
)
IMAGE = (
    b"<< /Type /XObject /Subtype /Image /Width 99999 /Height 99999 /ColorSpace /DeviceRGB "
    b"/BitsPerComponent 8 /Length 1 >>\nstream\nx\nendstream"
)
FORM = (
    b"<< /Type /XObject /Subtype /Form /BBox [0 0 9 9] /Length 11 "
    b"/Resources << /XObject << /F 5 0 R >> >> >>\nstream\n/F Do /F Do\nendstream"
)
HOSTILE_PDFS = {
    "a tree of pages that is its own branch": [CATALOGUE, PAGES % (b"2 0 R", 1)],
    "a thousand million pages": [CATALOGUE, PAGES % (b"3 0 R", 1_000_000_000)],
    "the same page very often": [
        *(CATALOGUE, PAGES % (b"3 0 R " * 100_000, 100_000)),
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 9 9] >>",
    ],
    "brackets in brackets": [CATALOGUE, PAGES % (b"[" * 500_000, 1)],
    "a stream that claims to be huge": [
        *(CATALOGUE, PAGES % (b"3 0 R", 1), b"<< /Type /Page /Parent 2 0 R /Contents 4 0 R >>"),
        b"<< /Length 99999999999 >>\nstream\nBT (x) Tj ET",
    ],
    "an image larger than memory": [
        *(CATALOGUE, PAGES % (b"3 0 R", 1)),
        PAGE % b"/I 5 0 R",
        b"<< /Length 5 >>\nstream\n/I Do\nendstream",
        IMAGE,
    ],
    "a form that draws itself": [
        *(CATALOGUE, PAGES % (b"3 0 R", 1)),
        PAGE % b"/F 5 0 R",
        b"<< /Length 5 >>\nstream\n/F Do\nendstream",
        FORM,
    ],
}


@pytest.mark.parametrize("kind", HOSTILE_PDFS)
async def test_a_hostile_pdf_is_refused(
    start: Start, file: Callable[[bytes], Path], kind: str
) -> None:
    reader = start(memory_bytes_max=512 * MEBIBYTE, seconds_max=20)
    path = file(made.with_objects(HOSTILE_PDFS[kind]))
    code, message = await refusal(read(reader, path, "a.pdf"))
    assert code == "invalid_file"
    assert message.startswith("The file could not be parsed because it ")
    assert await read(reader, file(b"The next one"))


async def test_a_killed_child_fails_alone(
    start: Start, silent_file: Path, file: Callable[[bytes], Path]
) -> None:
    """The kernel kills when the machine has no memory left: the file may not be to blame."""
    reader = start()
    reading = asyncio.create_task(read(reader, silent_file))
    child = await child_at_work()
    child.kill()
    assert await refusal(reading) == ("server_error", STOPPED)
    assert await read(reader, file(b"The next one"))


async def test_a_killed_zygote_is_started_again(
    start: Start, silent_file: Path, file: Callable[[bytes], Path]
) -> None:
    reader = start()
    reading = asyncio.create_task(read(reader, silent_file))
    child = await child_at_work()
    zygote().kill()
    assert await refusal(reading) == ("server_error", STOPPED)
    await until(lambda: has_ended(child))
    assert await read(reader, file(b"The next one"))


async def test_who_stops_listening_stops_the_reading(
    start: Start, file: Callable[[bytes], Path]
) -> None:
    """The child is blocked, because nobody takes more than one batch: it does not run ahead."""
    batches = start().read(file(sentences(100_000)), "a.txt", size_tokens=100, overlap_tokens=50)
    await anext(batches)
    child = await child_at_work()
    await until(lambda: child.status() == psutil.STATUS_SLEEPING)
    await batches.aclose()
    await until(lambda: not zygote().children())


async def test_closing_ends_everything(start: Start, silent_file: Path) -> None:
    reader = start()
    reading = asyncio.create_task(read(reader, silent_file))
    child = await child_at_work()
    await reader.close()
    assert await refusal(reading) == ("server_error", STOPPED)
    await until(lambda: has_ended(child))
    await reader.close()  # again, with nothing to do


async def test_the_process_inherits_no_secrets(
    start: Start, file: Callable[[bytes], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UNDERSTUDY_UPSTREAM_KEY", "secret")
    await read(start(), file(b"words"))
    assert "secret" not in zygote().environ().values()


def status_of(process: psutil.Process) -> str:
    return Path(f"/proc/{process.pid}/status").read_text()


async def test_a_child_is_limited(start: Start, silent_file: Path) -> None:
    reading = asyncio.create_task(read(start(memory_bytes_max=512 * MEBIBYTE), silent_file))
    child = await child_at_work()
    await until(lambda: child.rlimit(psutil.RLIMIT_NPROC) == (0, 0))
    assert child.rlimit(psutil.RLIMIT_FSIZE) == (0, 0)
    assert child.rlimit(psutil.RLIMIT_CORE) == (0, 0)
    assert child.rlimit(psutil.RLIMIT_CPU) == (120, 121)
    assert child.rlimit(psutil.RLIMIT_AS)[0] < 2048 * MEBIBYTE
    await until(lambda: "Seccomp:\t2" in status_of(child))
    assert int(re.findall(r"CapEff:\s+(\w+)", status_of(child))[0], 16) & ~MAY_READ_ALL == 0
    assert len(zygote().threads()) == 1
    reading.cancel()


async def test_a_killed_server_takes_its_processes_along(silent_file: Path) -> None:
    program = (
        "import asyncio, sys, pathlib\n"
        "from understudy.retrieval.reading.reader import Reader\n"
        "async def main():\n"
        "    path = pathlib.Path(sys.argv[1])\n"
        "    await anext(Reader().read(path, 'a.txt', size_tokens=100, overlap_tokens=0))\n"
        "asyncio.run(main())\n"
    )
    server = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", program, str(silent_file))
    )
    try:
        family = psutil.Process(server.pid)
        await until(lambda: len(family.children(recursive=True)) == 2)
        heirs = family.children(recursive=True)
    finally:
        server.kill()
        await server.wait()
    await until(lambda: all(map(has_ended, heirs)))


@pytest.mark.parametrize("garbage", [b"\0\0\0\4oops", b"\xff\xff\xff\xff", b"\0\0\0\1\x80"])
async def test_garbage_instead_of_frames(garbage: bytes) -> None:
    with Answer(WAIT_SECONDS_MAX) as answer:
        answer.child_ends[0].send(garbage)
        assert await refusal(anext(answer.batches())) == ("invalid_file", BROKE_OFF)


@pytest.mark.parametrize(
    ("report", "expected"),
    [
        (b"-9", ("server_error", STOPPED)),
        (b"-11", ("invalid_file", BROKE_OFF)),
        (b"1", ("invalid_file", BROKE_OFF)),
        (str(-signal.SIGXCPU).encode(), ("invalid_file", TOO_LONG)),
        (b"", ("server_error", STOPPED)),
    ],
)
async def test_half_a_frame_is_explained_by_the_exit_code(
    report: bytes, expected: tuple[str, str]
) -> None:
    with Answer(WAIT_SECONDS_MAX) as answer:
        frames, reports = answer.child_ends
        with frames, reports:
            frames.send(encode_frame(Finished())[:-1])
            reports.send(report)
        assert await refusal(anext(answer.batches())) == expected


def test_a_frame_is_what_it_was() -> None:
    chunk = Chunk(text="世界", start=0, end=2, tokens=2, page_first=1, page_last=1)
    batch = Batch([IndexedChunk(chunk=chunk, terms="a b", vector=Vector("m", b"\0\1"))])
    assert decode_frame(encode_frame(batch)[4:]) == batch


def test_the_server_imports_no_parser() -> None:
    parsers = "docx lxml numpy olefile PIL pptx puremagic pypdf pypdfium2 python_calamine"
    program = (
        "import sys, understudy.retrieval.reading.reader, understudy.retrieval.parsing.kinds\n"
        f"print(sorted(set(sys.modules) & set('{parsers} trafilatura'.split())))"
    )
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=True
    )
    assert run.stdout == "[]\n"
