"""Reading files in processes that may break."""

from understudy.retrieval.reading.limits import ReadingLimits
from understudy.retrieval.reading.reader import Reader

__all__ = ["Reader", "ReadingLimits"]
