"""Time to the first token through the server against the model asked directly, one client.

Direct and through take turns. The model says in its first token how long it waited itself; that
is taken off both sides, so that the jitter of its timer does not count.
"""

from bench.connection import Connection
from bench.figure import Figure, figure, percentile
from bench.lab import Lab
from bench.load import QUESTION, make_assistant, run_request
from bench.loop import run
from bench.process import Running
from bench.script import Script
from bench.stamps import first_token

SCRIPT = Script(deltas=2, ttft_ms=40, stamped=True)
WARM_UP = 10


def measure(lab: Lab) -> list[Figure]:
    """Measure pairs of a direct and an indirect first token."""
    with lab.fresh_server() as server:
        return run(_measure(lab, server))


async def _measure(lab: Lab, server: Running) -> list[Figure]:
    assistant_id = await make_assistant(server.target, SCRIPT)
    body = {
        "model": SCRIPT.name,
        "stream": True,
        "messages": [{"role": "user", "content": QUESTION}],
    }
    direct_request = lab.model.target.request("POST", "/v1/chat/completions", body)
    through_request = run_request(server.target, assistant_id, stream=True)
    model, through = await lab.model.target.connect(), await server.target.connect()
    pairs = [
        (await _once(model, direct_request), await _once(through, through_request))
        for _ in range(lab.scale.first_token_pairs + WARM_UP)
    ]
    model.close()
    through.close()
    return _figures(pairs[WARM_UP:])


async def _once(connection: Connection, request: bytes) -> float:
    """Return the milliseconds to the first token that were not the model's own."""
    seen = first_token(await connection.request(request))
    return (seen.seen_after_ns - seen.model_took_ns) / 1e6


def _figures(pairs: list[tuple[float, float]]) -> list[Figure]:
    added = [through - direct for direct, through in pairs]
    return [
        figure("first token", "added by the server, median", "ms", added, 3.0),
        figure("first token", "added by the server, p99", "ms", [percentile(added, 99)]),
        figure("first token", "direct, median", "ms", [direct for direct, _ in pairs]),
    ]
