"""An index on disk, for fast starts only: the database is the truth, so a doubtful snapshot is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from index import archive, choose
from index.archive import SnapshotRejected
from index.native import faiss
from index.segment import Part, Segment
from index.store import Planner, Store

__all__ = ["SnapshotRejected", "load", "save"]

KIND = "embeddings"


def save(store: Store, folder: Path, sequence: int) -> Path:
    """Write everything in a store, as of now, as the newest snapshot; searches and writers go on meanwhile.

    Args:
        store: What to save.
        folder: One folder per index; older snapshots in it are removed once the new one is complete.
        sequence: Change sequence whose changes the store had *before* this call.

    Returns:
        The folder of the snapshot.
    """
    parts = store.parts()
    arrays: dict[str, NDArray[Any]] = {}
    for i, (segment, alive) in enumerate(parts):
        arrays[f"ids-{i}"] = segment.ids
        arrays[f"vectors-{i}"] = segment.vectors.astype(np.float16, copy=False)
        arrays[f"alive-{i}"] = alive
        if segment.graph is not None:
            arrays[f"graph-{i}"] = faiss.serialize_index(segment.graph)
    return archive.write(
        folder,
        arrays,
        kind=KIND,
        space=store.space,
        dimension=store.dimension,
        count=sum(part.size for part in parts),
        sequence=sequence,
        details={
            "efforts": [part.segment.effort for part in parts],
            "scan_below": [part.segment.scan_below for part in parts],
            "recall": store.last_recall,
        },
    )


def load(
    folder: Path, *, dimension: int, space: str, plan: Planner = choose.for_embeddings
) -> tuple[Store, int]:
    """The newest snapshot and the change sequence from which to catch up.

    Raises:
        SnapshotRejected: None there, damaged, or of another dimension or embedding space: rebuild instead.
    """
    manifest, arrays = archive.read(folder, kind=KIND, space=space, dimension=dimension)
    try:
        parts = tuple(
            part_from(arrays, i, effort, scan_below)
            for i, (effort, scan_below) in enumerate(
                zip(manifest.details["efforts"], manifest.details["scan_below"], strict=True)
            )
        )
    except (KeyError, RuntimeError, ValueError) as error:
        # Every byte is as written, so another version of this code or of FAISS wrote it.
        raise SnapshotRejected(f"{folder}: not readable by this version: {error}") from error
    store = Store(dimension, space=space, plan=plan, parts=parts)
    if len(store) != manifest.count:
        raise SnapshotRejected(f"{folder}: {len(store)} vectors, the manifest says {manifest.count}")
    store.last_recall = manifest.details["recall"]
    return store, manifest.sequence


def part_from(arrays: dict[str, NDArray[Any]], i: int, effort: int, scan_below: int) -> Part:
    """One part of a store from its arrays."""
    saved = arrays.get(f"graph-{i}")
    graph = None if saved is None else faiss.deserialize_index(saved)
    vectors = arrays[f"vectors-{i}"]
    if graph is None:
        vectors = vectors.astype(np.float32)
    return Part(Segment(arrays[f"ids-{i}"], vectors, graph, effort, scan_below), arrays[f"alive-{i}"])
