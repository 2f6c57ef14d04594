"""The kinds of product that a fault run can be made on, by name."""

from collections.abc import Mapping

from .campaign import OpenStand
from .cluster import cluster
from .embedded import embedded

STANDS: Mapping[str, OpenStand] = {"embedded": embedded, "cluster": cluster}
