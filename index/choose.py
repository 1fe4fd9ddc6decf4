"""Which kind of segment for how many vectors, with the measured reasons.

Exact while it is fast enough, then HNSW with 32 links over 8-bit codes, re-ranked from float16. Measured
(`bench.recall`) on made embeddings of 512 numbers of two geometries (`bench.embeddings`), 50,000 vectors, two
busy cores of an Intel Xeon (Sapphire Rapids), one thread per search:

| | recall@10, many small clusters | few uneven clusters | one query | 64 queries |
|---|---|---|---|---|
| exact | 1.000 | 1.000 | 24 ms | 200-280 ms |
| HNSW32 SQ8, effort 32 | 1.000 | 0.971 | 0.6-0.8 ms | 28-49 ms |
| IVF PQ fast-scan, 64 probes, refined 10x | 1.000 | 0.874 | 0.2-0.3 ms | 17-20 ms |
| IVF PQ fast-scan, 256 probes, refined 30x | 1.000 | 0.966 | 0.8 ms | 32-60 ms |

IVF is as fast and half the size, but how many probes and how deep a refinement it needs depends on the
geometry: with 200,000 vectors of few uneven clusters it stayed below 0.7 (256 probes, refined 30x), where a
graph reached 0.97 by a longer walk alone. So the graph it is, and how long it walks is measured on the
vectors themselves (`segment.tuned`). A graph takes about a minute per 50,000 vectors to build on those cores; exact
search of so many costs nothing to build and a few milliseconds on a core of its own.
"""

from typing import Literal, NamedTuple

EXACT_NUMBERS = 25_600_000
"""Most numbers (N x D) that are scanned: 100 MB, 50,000 vectors of 512; memory speed sets the time."""


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
