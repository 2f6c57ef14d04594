"""Vector stores hold what they were given, once."""

from collections.abc import Iterator

from .account import Account, Violation


def ingested_once(account: Account) -> Iterator[Violation]:
    """Yield stores that have not come to hold their one file, or count it otherwise (VS-02)."""
    for line in account.of("final_store"):
        statuses = [one["status"] for one in line["files"]]
        counts = line["body"]["file_counts"]
        right = line["body"]["status"] == "completed" and statuses == ["completed"]
        if not right or (counts["completed"], counts["total"]) != (1, 1):
            what = f"{line['store']} is {line['body']['status']}: {statuses}, {counts}"
            yield Violation("ingested once", what, line["n"])


def passages_in_order(account: Account) -> Iterator[Violation]:
    """Yield passages that are missing, doubled, or not of the file's text."""
    for line in account.of("final_store"):
        chunks, end = line["chunks"], 0
        if [chunk["index"] for chunk in chunks] != [*range(len(chunks))] or not chunks:
            what = f"{line['store']} has {[chunk['index'] for chunk in chunks]}"
            yield Violation("passages in order", what, line["n"])
        for chunk in chunks:
            if line["text"][chunk["start"] : chunk["end"]] != chunk["text"] or chunk["end"] <= end:
                what = f"{line['store']}: passage {chunk['index']}"
                yield Violation("passages in order", what, line["n"])
            if chunk["start"] > end:
                yield Violation("passages in order", f"{line['store']}: gap", line["n"])
            end = max(end, chunk["end"])
        if end < len(line["text"].rstrip()):
            yield Violation("passages in order", f"{line['store']}: the end is missing", line["n"])
