"""Writes syscall_numbers.py from libseccomp's tables; run by developers, never by the sandbox.

python src/understudy/sandbox/inside/write_syscall_numbers.py
"""

import ctypes
import runpy
from pathlib import Path

HERE = Path(__file__).parent
ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
HEADER = '''"""Numbers of the calls in syscall_policy.py: written by write_syscall_numbers.py.

A call that an architecture lacks has no number there.
"""

'''


def main() -> None:
    """Write the table for every call that the policy names."""
    policy = runpy.run_path(str(HERE / "syscall_policy.py"))
    names = sorted(policy["ALLOWED"] | policy["REFUSED"] | policy["CHECKED"])
    lines = [
        f"{name.upper()} = {{\n{_entries(code, names)}}}\n" for name, code in ARCHITECTURES.items()
    ]
    (HERE / "syscall_numbers.py").write_text(HEADER + "\n".join(lines))


def _entries(architecture: int, names: list[str]) -> str:
    resolve = ctypes.CDLL("libseccomp.so.2").seccomp_syscall_resolve_name_arch
    found = ((name, resolve(ctypes.c_uint32(architecture), name.encode())) for name in names)
    # libseccomp answers with a negative pseudo number where the architecture lacks the call.
    return "".join(f'    "{name}": {number},\n' for name, number in found if number >= 0)


if __name__ == "__main__":
    main()
