"""What a text is found by: terms, made alike of passages and of questions.

A term is a stem, a number, an identifier or a pair of characters, without spaces, quotes or ``|``.
Databases only store and compare terms; all that is known of languages is here.
"""

from understudy.retrieval.terms.analysis import index_terms, query_terms

__all__ = ["index_terms", "query_terms"]
