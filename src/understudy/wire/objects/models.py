"""The model object."""

from typing import Literal

from msgspec import Struct


class Model(Struct, kw_only=True):
    """A model that runs may name."""

    id: str
    object: Literal["model"] = "model"
    created: int = 0
    owned_by: str
