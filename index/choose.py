"""Which kind of segment for how many vectors: PLACEHOLDER."""

from typing import Literal, NamedTuple

EXACT_NUMBERS = 50_000_000
"""Exact search up to this many numbers (N x D): 200 MB of float32."""


class Plan(NamedTuple):
    """How a segment is built and searched.

    Attributes:
        kind: `exact` scans float32; `graph` walks HNSW over 8-bit codes and re-ranks from float16.
        links: Links of a node of the graph (twice as many on the lowest level).
        build_effort: efConstruction.
        search_effort: efSearch to begin with; raised until the sample reaches `recall`.
        most_effort: Where raising it stops.
        scan_below: When no more vectors of the segment than this may be found, they are scanned instead.
        recall: Wanted share of the ten nearest on the sample.
    """

    kind: Literal["exact", "graph"]
    links: int = 32
    build_effort: int = 80
    search_effort: int = 32
    most_effort: int = 512
    scan_below: int = 20_000
    recall: float = 0.98


def for_embeddings(count: int, dimension: int) -> Plan:
    """The plan for a segment of `count` vectors of `dimension` numbers."""
    return Plan("exact" if count * dimension <= EXACT_NUMBERS else "graph")
