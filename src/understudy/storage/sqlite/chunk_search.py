"""Finding chunks by terms: SQLite's full-text index proposes, and ``relevance.py`` decides.

Theory of operation. The full-text index ranks what it matches, and reads the whole list of every
term for that; a word that half of all chunks have would cost seconds. So the rarest terms propose:
as many as have short lists together. What they propose best is scored with all the terms of the
question, however common. In a store of ordinary size every list is short, and nothing is left out.
"""

import sqlite3
from collections.abc import Collection, Sequence
from itertools import accumulate

import msgspec

from understudy.storage.relevance import Ranking, Term, ranked, rarity

# So many entries of the index are ranked for a question: some 20 ms.
RANKED_MAX = 20_000
# How common a term is, is counted so far and estimated from the newest chunks beyond.
COUNTED_MAX = 5_000
SAMPLED_CHUNKS = 20_000
PROPOSED_MIN = 100
SCORED_TERMS_MAX = 64

_OF_ENTRIES = (
    "SELECT chunks.id FROM json_each(?) AS wanted "
    "JOIN editions ON entry = wanted.value AND published IS NOT NULL "
    "JOIN spans ON spans.edition = editions.id "
    "JOIN chunks ON chunks.id BETWEEN first_chunk AND last_chunk"
)
_ANY_UNPUBLISHED = "SELECT 1 FROM editions WHERE published IS NULL LIMIT 1"
_UNPUBLISHED = (
    "SELECT chunks.id FROM editions JOIN spans ON spans.edition = editions.id "
    "JOIN chunks ON chunks.id BETWEEN first_chunk AND last_chunk WHERE published IS NULL"
)


def search(
    connection: sqlite3.Connection,
    terms: Sequence[str],
    limit: int,
    entries: Collection[int] | None,
) -> Ranking:
    """Return (chunk, score), the best first; ``entries`` are those that may be found."""
    question = _question(connection, terms)
    proposed = _proposed(connection, question, max(PROPOSED_MIN, 2 * limit), entries)
    return ranked(_terms(connection, proposed), question, limit)


def _question(connection: sqlite3.Connection, terms: Sequence[str]) -> Sequence[Term]:
    """Return the terms that no chunk has, and of the others the most telling, in their order."""
    chunks, newest = connection.execute(
        "SELECT (SELECT coalesce(sum(chunks), 0) FROM editions), (SELECT max(id) FROM chunks)"
    ).fetchone()
    question = []
    for spelt in dict.fromkeys(terms):
        spellings = spelt.split("|")
        having = _having(connection, _query(spellings), chunks, newest or 0)
        question.append(Term(spellings, having, rarity(chunks, having)))
    known = sorted((term for term in question if term.having), key=lambda term: term.having)
    return [term for term in question if not term.having or term in known[:SCORED_TERMS_MAX]]


def _having(connection: sqlite3.Connection, query: str, chunks: int, newest: int) -> int:
    """Return how many chunks match; of many, an estimate."""
    counted = _count(connection, query, 0)
    if counted < COUNTED_MAX:
        return counted
    sampled = _count(connection, query, newest - SAMPLED_CHUNKS, SAMPLED_CHUNKS)
    return min(chunks, max(counted, sampled * chunks // min(chunks, SAMPLED_CHUNKS)))


def _count(connection: sqlite3.Connection, query: str, after: int, most: int = COUNTED_MAX) -> int:
    count: int = connection.execute(
        "SELECT count(*) FROM (SELECT rowid FROM terms WHERE terms MATCH ? AND rowid > ? LIMIT ?)",
        (query, after, most),
    ).fetchone()[0]
    return count


def _proposed(
    connection: sqlite3.Connection,
    question: Sequence[Term],
    limit: int,
    entries: Collection[int] | None,
) -> Sequence[int]:
    """Return the chunks that have most of the rarest terms; if these are few, others, too."""
    known = sorted((one for one in question if one.having), key=lambda one: one.having)
    rare = _rarest(known)
    found: list[int] = []
    if rare:
        query = _query([one for term in rare for one in term.spellings])
        found = _matching(connection, query, limit, entries, "rank")
    if len(found) < limit:
        found += _having_all(connection, known[len(rare) :], limit - len(found), entries)
    return found


def _rarest(known: Sequence[Term]) -> Sequence[Term]:
    """Return as many terms as have short lists together; none if even the rarest has a long one."""
    sizes = accumulate(term.having for term in known)
    return [term for term, size in zip(known, sizes, strict=True) if size <= RANKED_MAX]


def _having_all(
    connection: sqlite3.Connection,
    known: Sequence[Term],
    limit: int,
    entries: Collection[int] | None,
) -> list[int]:
    """Return the newest chunks that have all the terms, or else all but the most common ones."""
    for count in range(len(known), 0, -1):
        query = " AND ".join(f"({_query(term.spellings)})" for term in known[:count])
        found = _matching(connection, query, limit, entries, "terms.rowid DESC")
        if len(found) == limit or count == 1:
            return found
    return []


def _matching(
    connection: sqlite3.Connection,
    query: str,
    limit: int,
    entries: Collection[int] | None,
    order: str,
) -> list[int]:
    """Return chunks that match and may be found. The plus keeps SQLite from asking for each id."""
    values: tuple[str, ...] = ()
    which = ""
    if entries is not None:
        which, values = f"AND +terms.rowid IN ({_OF_ENTRIES})", (_json(entries),)
    elif connection.execute(_ANY_UNPUBLISHED).fetchone():
        which = f"AND +terms.rowid NOT IN ({_UNPUBLISHED})"
    found = connection.execute(
        f"SELECT rowid FROM terms WHERE terms MATCH ? {which} ORDER BY {order} LIMIT ?",
        (query, *values, limit),
    )
    return [chunk for (chunk,) in found]


def _terms(connection: sqlite3.Connection, proposed: Sequence[int]) -> dict[int, list[str]]:
    """Return the terms of each chunk that may be found."""
    found = connection.execute(
        "SELECT terms.rowid, stems FROM json_each(?) AS proposed "
        "JOIN terms ON terms.rowid = proposed.value "
        "JOIN chunks ON chunks.id = terms.rowid "
        "JOIN editions ON editions.id = chunks.edition AND published IS NOT NULL",
        (_json(list(dict.fromkeys(proposed))),),
    )
    return {chunk: stems.split() for chunk, stems in found}


def _query(spellings: Sequence[str]) -> str:
    """Return what matches a term, in the language of the full-text index."""
    return " OR ".join('"' + spelling.replace('"', '""') + '"' for spelling in spellings)


def _json(values: Collection[int]) -> str:
    return msgspec.json.encode(list(values)).decode()
