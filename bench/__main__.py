"""``python -m bench``: measure all cases or the named ones, print one table, keep the results."""

import sys

from bench.cases import (
    code_interpreter,
    first_token,
    indexing,
    listing,
    plain,
    requests,
    retrieval_quality,
    sandbox,
    search_speed,
    startup,
    streams,
    waiting,
)
from bench.invocation import Cases, measure_all

CASES: Cases = {
    "startup": startup.measure,
    "requests": requests.measure,
    "plain": plain.measure,
    "first-token": first_token.measure,
    "indexing": indexing.measure,
    "search-speed": search_speed.measure,
    "retrieval-quality": retrieval_quality.measure,
    "listing": listing.measure,
    "waiting": waiting.measure,
    "streams": streams.measure,
    "sandbox": sandbox.measure,
    "code-interpreter": code_interpreter.measure,
}

if __name__ == "__main__":
    sys.exit(measure_all("python -m bench", CASES))
