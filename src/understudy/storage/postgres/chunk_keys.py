"""What chunks are found by in the inverted index: numbers that stand for terms of a store.

Theory of operation. PostgreSQL's inverted index (GIN) knows which rows have a key, and nothing
else: neither how often, nor in which store. So all of this is in the key. It is made from the
store and the term, so that a search reads nothing of other stores; and its lowest bits say how
much the term weighs in the chunk by BM25, in eighths. Ranking is then a matter of adding up.

Some chunks of all are a sample, and have a second key for each term. How common a term is in a
large store is estimated from them.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from hashlib import blake2b
from zlib import crc32

from understudy.storage.relevance import half_count

# Another way to make keys or terms needs another version: older editions are then made anew.
VERSION = 1
LEVELS = 8
SAMPLED_OF = 32
KNOWN_TERMS_MAX = 100_000
_SAMPLE = LEVELS
_KINDS = 16


class StoreKeys(dict[str, int]):
    """The keys of a store's terms, made when they are asked for first."""

    def __init__(self, store_id: str) -> None:
        super().__init__()
        self._store = blake2b(store_id.encode("utf-8", "surrogatepass") + b"\0", digest_size=8)

    def __missing__(self, term: str) -> int:
        digest = self._store.copy()
        digest.update(term.encode("utf-8", "surrogatepass"))
        key = int.from_bytes(digest.digest(), "little", signed=True) // _KINDS * _KINDS
        if len(self) >= KNOWN_TERMS_MAX:
            self.clear()
        self[term] = key
        return key


def chunk_keys(keys: StoreKeys, terms: Sequence[str], *, sampled: bool) -> list[int]:
    """Return what a chunk with these terms is found by."""
    half = half_count(len(terms))
    counts = Counter(terms)
    levels = [keys[term] + _level(count, half) for term, count in counts.items()]
    return levels + [keys[term] + _SAMPLE for term in counts] if sampled else levels


def _level(count: int, half: float) -> int:
    return int(LEVELS * count / (count + half))


def is_sampled(edition: int, ordinal: int) -> bool:
    """Return whether a chunk belongs to the sample, which is the same at every writing."""
    return crc32(b"%d %d" % (edition, ordinal)) % SAMPLED_OF == 0


def level_keys(key: int) -> Sequence[int]:
    """Return all keys of which each chunk with the term has one."""
    return range(key, key + LEVELS)


def sample_keys(keys: Iterable[int]) -> Sequence[int]:
    """Return the keys that the chunks of the sample have."""
    return [key + _SAMPLE for key in keys]


def weight(key: int) -> float:
    """Return what a term weighs in the chunks that have this key, in 0..1."""
    return (key % _KINDS + 0.5) / LEVELS
