"""Searching one vector store (VS-12)."""

from understudy.operations.ports import Caller, Ports
from understudy.operations.vector_stores import usable
from understudy.retrieval.searching import Found, Wanted
from understudy.retrieval.store_use import touch
from understudy.wire.objects.vector_stores import FoundPassage, FoundText, SearchResultsPage
from understudy.wire.params.vector_store_search import Search


async def search(ports: Ports, caller: Caller, store_id: str, asked: Search) -> SearchResultsPage:
    """Return the passages that fit best, which counts as use of the store (VS-03).

    Raises NotFound without the store, InvalidRequest when it has expired.
    """
    row = await usable(ports, caller, store_id)
    await touch(ports.storage, caller.project_id, [row], ports.now)
    wanted = Wanted(
        queries=asked.queries,
        max_results=asked.results_max,
        filters=asked.filters,
        score_threshold=asked.score_threshold,
        ranker=asked.ranker,
        hybrid=asked.hybrid,
    )
    found = await ports.searching.search(caller.project_id, [store_id], wanted)
    return SearchResultsPage(search_query=asked.queries, data=[_shown(one) for one in found])


def _shown(found: Found) -> FoundPassage:
    return FoundPassage(
        file_id=found.file_id,
        filename=found.file_name,
        score=found.score,
        attributes=found.attributes,
        content=[FoundText(text=found.chunk.text)],
    )
