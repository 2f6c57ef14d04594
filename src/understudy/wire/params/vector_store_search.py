"""Searches of a vector store as clients send them (VS-12)."""

from typing import Annotated, Literal

from msgspec import Meta, Struct
from msgspec.structs import asdict

from understudy.errors import InvalidRequest
from understudy.wire import validation
from understudy.wire.params.filters import Filter, check_filter

RESULTS_DEFAULT = 10

Query = Annotated[str, Meta(min_length=1, max_length=4096)]
Weight = Annotated[float, Meta(ge=0)]


class Search(Struct, frozen=True, kw_only=True):
    """What is searched for in a vector store."""

    queries: list[str]
    results_max: int = RESULTS_DEFAULT
    filters: Filter | None = None
    ranker: str = "auto"
    score_threshold: float = 0.0
    hybrid: dict[str, float] | None = None


class HybridWeightsParam(Struct, kw_only=True, forbid_unknown_fields=True):
    """How much nearness of meaning and common words count."""

    embedding_weight: Weight
    text_weight: Weight

    def canonical(self) -> dict[str, float]:
        """Return the weights. Raises InvalidRequest when nothing counts."""
        if not self.embedding_weight and not self.text_weight:
            raise InvalidRequest(
                "Invalid 'ranking_options.hybrid_search': expected a weight above 0.",
                param="ranking_options.hybrid_search",
                code="invalid_value",
            )
        return asdict(self)


class SearchRankingParam(Struct, kw_only=True, forbid_unknown_fields=True):
    """How results are ranked and cut; newer clients weigh words and meaning, too."""

    ranker: Literal["none", "auto", "default-2024-11-15"] | None = None
    score_threshold: Annotated[float, Meta(ge=0, le=1)] | None = None
    hybrid_search: HybridWeightsParam | None = None


class SearchParam(Struct, kw_only=True, forbid_unknown_fields=True):
    """A search. No query is rewritten: ``rewrite_query`` is taken and changes nothing."""

    query: Query | Annotated[list[Query], Meta(min_length=1, max_length=20)]
    rewrite_query: bool | None = None
    max_num_results: Annotated[int, Meta(ge=1, le=50)] | None = None
    filters: Filter | None = None
    ranking_options: SearchRankingParam | None = None


def parse_search(body: bytes) -> Search:
    """Read a request to search a vector store."""
    sent = validation.decode(body, SearchParam)
    ranking = sent.ranking_options or SearchRankingParam()
    return Search(
        queries=[sent.query] if isinstance(sent.query, str) else sent.query,
        results_max=sent.max_num_results or RESULTS_DEFAULT,
        filters=check_filter(sent.filters),
        ranker=ranking.ranker or "auto",
        score_threshold=ranking.score_threshold or 0.0,
        hybrid=ranking.hybrid_search.canonical() if ranking.hybrid_search else None,
    )
