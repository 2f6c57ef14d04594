#!/usr/bin/env python3
"""Writes understudy-runner.json: an engine's default profile, and what a runner needs more.

write_profile.py /path/to/moby/profiles/seccomp/default.json

The default is that of moby (Apache-2.0), as Debian's golang-github-docker-docker-dev has it.
"""

import json
import sys
from pathlib import Path

# What closing a sandbox takes, and the default keeps for containers with CAP_SYS_ADMIN.
NEEDED = (
    "clone",
    "keyctl",
    "mount",
    "mount_setattr",
    "pivot_root",
    "sethostname",
    "setns",
    "umount2",
    "unshare",
)
TARGET = Path(__file__).with_name("understudy-runner.json")


def profile(default: dict[str, object]) -> dict[str, object]:
    """Return the default with one rule more."""
    syscalls = default["syscalls"]
    assert isinstance(syscalls, list)
    more = {
        "names": list(NEEDED),
        "action": "SCMP_ACT_ALLOW",
        "args": [],
        "comment": "A sandbox runner closes its sessions in with these.",
        "includes": {},
        "excludes": {},
    }
    return {**default, "syscalls": [*syscalls, more]}


if __name__ == "__main__":
    default = json.loads(Path(sys.argv[1]).read_text())
    TARGET.write_text(json.dumps(profile(default), indent="\t") + "\n")
