"""Which of the two versions of the API a request speaks (GEN-14)."""

from typing import Literal

Era = Literal["v1", "v2"]
