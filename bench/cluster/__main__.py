"""``python -m bench.cluster``: what ``python -m bench`` is, for a cluster on one machine."""

import sys

from bench.cluster import deltas, log_volume, plain, recovery, scaling, servers, start
from bench.invocation import Cases, measure_all

CASES: Cases = {
    "cluster-plain": plain.measure,
    "cluster-start": start.measure,
    "cluster-deltas": deltas.measure,
    "cluster-recovery": recovery.measure,
    "cluster-scaling": scaling.measure,
    "cluster-log": log_volume.measure,
}

if __name__ == "__main__":
    sys.exit(measure_all("python -m bench.cluster", CASES, servers.versions()))
