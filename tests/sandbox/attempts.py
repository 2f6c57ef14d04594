"""Words that attacks are written in, and the verdict on them."""

from .station import Transcript

# ``attempt`` says OPEN when nothing stopped it; ``call`` is a system call by number.
ATTEMPTS = """
import ctypes, os
_libc = ctypes.CDLL(None, use_errno=True)

def call(number, *arguments):
    result = _libc.syscall(number, *arguments)
    if result == -1:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result

def attempt(name, attack):
    try:
        result = attack()
    except BaseException as error:
        return error
    print("OPEN", name, repr(result)[:200])

def over():
    print("over")
"""


def assert_stopped(transcript: Transcript) -> None:
    """Fail unless all attempts were made and none came through."""
    assert transcript.text == "over\n", transcript
    assert transcript.end.status == "done", transcript
