"""Nothing is lost and nothing is doubled: each request counts once, however often it was sent."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping

from .account import Account, Ask, Violation, is_of_run, job_of

RUNS_MADE_AT = "/runs"
MESSAGES_MADE_AT = "/messages"


def made_once(account: Account) -> Iterator[Violation]:
    """Yield keys that made several objects, and confirmed objects that are not there once."""
    left = Counter(_left(account))
    for key, ids in _confirmed(account).items():
        if len(ids) > 1:
            yield Violation("made once", f"key {key} was answered with {sorted(ids)}")
        for made in ids:
            if left[made] != 1:
                yield Violation(
                    "made once", f"{made} was confirmed and is there {left[made]} times"
                )


def _left(account: Account) -> Iterator[str]:
    for line in account.of("final"):
        yield from (each["id"] for each in (*line["runs"], *line["messages"]))


def _confirmed(account: Account) -> Mapping[str, set[str]]:
    """Return by key which runs and messages the clients were told to exist."""
    streamed = {
        event["connection"]: event["data"]["id"]
        for reading in account.readings
        for event in reading.events
        if event["name"] == "thread.run.created"
    }
    confirmed: dict[str, set[str]] = defaultdict(set)
    for number, ask in account.asks.items():
        if _makes(ask) and ask.is_granted:
            made = streamed.get(number) or (ask.body or {}).get("id")
            if made:
                confirmed[ask.line["key"]].add(made)
    return confirmed


def _makes(ask: Ask) -> bool:
    return ask.line["method"] == "POST" and ask.path.endswith((RUNS_MADE_AT, MESSAGES_MADE_AT))


def one_of_each_job(account: Account) -> Iterator[Violation]:
    """Yield jobs with two runs or two questions, whatever their clients were told."""
    for line in account.of("final"):
        asked = [one for one in line["messages"] if one["role"] == "user"]
        for kind, things in (("runs", line["runs"]), ("messages", asked)):
            for job, count in Counter(map(job_of, things)).items():
                if count > 1:
                    yield Violation("one of each job", f"job {job} has {count} {kind}", line["n"])
    jobs = Counter(map(job_of, account.runs.values()))
    for job, count in jobs.items():
        if count > 1:
            yield Violation("one of each job", f"job {job} has {count} runs in all")


def runs_have_questions(account: Account) -> Iterator[Violation]:
    """Yield runs that have begun without the message that came with them (RUN-25)."""
    for line in account.of("final"):
        asked = {job_of(one) for one in line["messages"] if one["role"] == "user"}
        for run in line["runs"]:
            if run["started_at"] is not None and job_of(run) not in asked:
                yield Violation("runs have questions", f"{run['id']} has none", line["n"])


def one_run_per_reader(account: Account) -> Iterator[Violation]:
    """Yield events that name another run than the reader follows."""
    for reading in account.readings:
        ids = {event["data"]["id"] for event in reading.events if is_of_run(event)}
        if len(ids) > 1:
            yield Violation("one run per reader", f"{reading.label} was told of {sorted(ids)}")
