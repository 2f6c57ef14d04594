"""The first thing that the kernels' Python runs: finds this package and becomes the zygote.

Started as ``python -I -S launch.py <control fd>`` with an empty environment, so that neither the
server's packages nor its secrets are in this process at any time.
"""

import sys
from pathlib import Path

PACKAGES = Path(__file__).parents[3]


def main() -> None:
    """Load all of our modules while their files are in sight, and nothing else from there."""
    sys.path.insert(0, str(PACKAGES))
    from understudy.sandbox.inside import zygote  # noqa: PLC0415

    sys.path.remove(str(PACKAGES))
    zygote.run(int(sys.argv[1]))


if __name__ == "__main__":
    main()
