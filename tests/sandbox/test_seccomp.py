"""The filter, run on paper for both architectures."""

import errno
import struct

import pytest

from understudy.sandbox.inside import seccomp, syscall_numbers, syscall_policy

ALLOW, KILL, ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
NUMBERS = {"x86_64": syscall_numbers.X86_64, "aarch64": syscall_numbers.AARCH64}
ARCHITECTURES = sorted(NUMBERS)


def verdict(
    architecture: str, number: int, *arguments: int, spoken: int | None = None, counted: bool = True
) -> int:
    """Return what the filter answers, by running it as the kernel would."""
    program = seccomp.program(architecture, anonymous_files=counted)
    spoken = seccomp.ARCHITECTURES[architecture] if spoken is None else spoken
    padded = [*arguments, 0, 0, 0, 0, 0, 0][:6]
    data = struct.pack("=IIQ6Q", number, spoken, 0, *padded)
    instructions = list(struct.iter_unpack("=HBBI", program))
    at, accumulator = 0, 0
    while True:
        code, when_true, when_false, value = instructions[at]
        at += 1
        match code:
            case 0x20:
                (accumulator,) = struct.unpack_from("=I", data, value)
            case 0x15:
                at += when_true if accumulator == value else when_false
            case 0x35:
                at += when_true if accumulator >= value else when_false
            case 0x45:
                at += when_true if accumulator & value else when_false
            case 0x05:
                at += value
            case 0x06:
                return int(value)
            case _:
                raise AssertionError(code)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_call_of_the_policy_gets_its_verdict(architecture: str) -> None:
    for name, number in NUMBERS[architecture].items():
        if name in syscall_policy.ALLOWED:
            assert verdict(architecture, number) == ALLOW, name
        elif name in syscall_policy.REFUSED:
            assert verdict(architecture, number) == ERRNO | errno.EPERM, name


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_all_other_numbers_do_not_exist(architecture: str) -> None:
    known = set(NUMBERS[architecture].values())
    for number in set(range(700)) - known | {5000, 0x3FFFFFFF}:
        assert verdict(architecture, number) == ERRNO | errno.ENOSYS, number


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_other_dialects_are_deadly(architecture: str) -> None:
    for number in (0x40000000, 0x40000027, 0xFFFFFFFF):
        assert verdict(architecture, number) == KILL
    for spoken in (0, 0x40000003, 0x40000028):
        assert verdict(architecture, 39, spoken=spoken) == KILL


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_calls_that_are_looked_at(architecture: str) -> None:
    numbers = NUMBERS[architecture]

    def ask(name: str, *arguments: int, counted: bool = True) -> int:
        return verdict(architecture, numbers[name], *arguments, counted=counted)

    for flag in range(64):
        harmful = flag < 32 and (1 << flag) & 0x7E020000
        assert ask("clone", 1 << flag) == (ERRNO | errno.EPERM if harmful else ALLOW), flag
    for family in range(64):
        expected = ALLOW if family == 1 else ERRNO | errno.ENETUNREACH
        assert ask("socket", family, 1) == expected
    assert ask("socket", 1 | 1 << 32, 1) == ALLOW  # the kernel reads no more of it either
    assert ask("socketpair", 2, 1) == ERRNO | errno.EAFNOSUPPORT
    assert ask("ioctl", 1, 0x5412) == ERRNO | errno.ENOTTY  # typing on a terminal
    assert ask("ioctl", 1, 0x5413) == ALLOW
    assert ask("fcntl", 1, 10) == ERRNO | errno.EPERM  # a signal of one's own choice
    assert ask("fcntl", 1, 1024) == ERRNO | errno.EPERM  # a lease
    assert ask("fcntl", 1, 3) == ALLOW
    assert ask("prctl", 1) == ERRNO | errno.EPERM  # a signal at a parent's death
    assert ask("prctl", 15) == ALLOW
    assert ask("memfd_create") == ALLOW
    assert ask("memfd_create", counted=False) == ERRNO | errno.ENOSYS


def test_an_unknown_architecture_has_no_filter() -> None:
    with pytest.raises(KeyError):
        seccomp.program("riscv64", anonymous_files=True)
