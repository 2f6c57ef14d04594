"""Citations in v1, which had to quote."""

from collections.abc import Sequence
from typing import TypeVar

from msgspec import UNSET, structs

from understudy.wire.deltas import FileCitationAnnotationDelta, FilePathAnnotationDelta
from understudy.wire.objects.messages import (
    FileCitation,
    FileCitationAnnotation,
    FilePathAnnotation,
)

A = TypeVar(
    "A",
    bound=FileCitationAnnotation
    | FilePathAnnotation
    | FileCitationAnnotationDelta
    | FilePathAnnotationDelta,
)


def quoted(newer: Sequence[A]) -> list[A]:
    """Return the annotations with a quote in each citation, empty if none is known (ANN-01)."""
    return [_quoted(each) for each in newer]


def _quoted(newer: A) -> A:
    if not isinstance(newer, FileCitationAnnotation | FileCitationAnnotationDelta):
        return newer
    if newer.file_citation.quote is not UNSET:
        return newer
    citation = FileCitation(newer.file_citation.file_id, quote="")
    return structs.replace(newer, file_citation=citation)
