"""An index on disk, for fast starts only: the database is the truth, so a doubtful snapshot is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from index import archive, choose, codebook
from index.archive import SnapshotRejected
from index.blocks import Block, Table
from index.codebook import CODE_BYTES, Codebook
from index.native import faiss
from index.neighbours import DIMENSION
from index.segment import Part, Segment
from index.shortlist import ImageIndex
from index.store import Planner, Store

__all__ = ["SnapshotRejected", "load", "load_images", "newest", "save", "save_images"]

EMBEDDINGS = "embeddings"
IMAGES = "images"
NO_NAME = bytes(16)


def newest(folder: Path) -> int:
    """Change sequence of the newest snapshot, by its name alone; -1 when there is none."""
    found = archive.versions(folder)
    return int(found[-1].name.split("-")[0]) if found else -1


def save(store: Store, folder: Path, sequence: int) -> Path:
    """Write everything in a store, as of now, as the newest snapshot; searches and writers go on meanwhile.

    Args:
        store: What to save.
        folder: One folder per index; older snapshots in it are removed once the new one is complete.
        sequence: Change sequence up to which every change was in the store before this call.

    Returns:
        The folder of the snapshot.

    Raises:
        OSError: The disk refused; the older snapshot is still there.
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
        kind=EMBEDDINGS,
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
    """The newest snapshot of a store, and the change sequence from which to catch up.

    Raises:
        SnapshotRejected: None there, damaged, or of another dimension or embedding space: rebuild instead.
    """
    manifest, arrays = archive.read(folder, kind=EMBEDDINGS, space=space, dimension=dimension)
    details = manifest.details
    try:
        parts = tuple(
            part(arrays, i, effort, scan_below)
            for i, (effort, scan_below) in enumerate(
                zip(details["efforts"], details["scan_below"], strict=True)
            )
        )
        store = Store(dimension, space=space, plan=plan, parts=parts)
        store.last_recall = details["recall"]
    except (KeyError, RuntimeError, TypeError, ValueError) as error:
        # Every byte is as it was written: by another version of this code or of FAISS, then.
        raise SnapshotRejected(f"{folder} is not readable by this version: {error!r}") from error
    checked_count(folder, len(store), manifest.count)
    return store, manifest.sequence


def save_images(images: ImageIndex, folder: Path, sequence: int, name: Callable[[int], bytes | None]) -> Path:
    """Write every image of an index as the newest snapshot; otherwise as `save`.

    name: What the caller calls the image of a number, 16 bytes; None when it is gone by now.
    """
    table, blocks, filling = images.contents()
    arrays: dict[str, NDArray[Any]] = dict(zip(Table._fields, table, strict=True))
    names = b"".join(name(number) or NO_NAME for number in table.numbers.tolist())
    arrays["names"] = np.frombuffer(names, np.uint8).reshape(-1, len(NO_NAME))
    for i, block in blocks.items():
        arrays[f"descriptors-{i}"] = block.descriptors[: block.used]
        arrays[f"cells-{i}"] = block.cells[: block.used]
        arrays[f"codes-{i}"] = block.codes[: block.used]
    return archive.write(
        folder,
        arrays,
        kind=IMAGES,
        space=images.space,
        dimension=DIMENSION,
        count=len(table.numbers),
        sequence=sequence,
        details={"blocks": list(blocks), "filling": filling},
    )


def load_images(
    folder: Path, *, cells: Codebook | None = None
) -> tuple[ImageIndex, dict[int, bytes | None], int]:
    """The newest snapshot of an image index, the name of each number, and the sequence to catch up from.

    Raises:
        SnapshotRejected: None there, damaged, or made with another codebook: rebuild instead.
    """
    division = cells or codebook.shipped()
    manifest, arrays = archive.read(folder, kind=IMAGES, space=division.name, dimension=DIMENSION)
    try:
        blocks = {int(i): block(arrays, i) for i in manifest.details["blocks"]}
        table = Table(*(arrays[name] for name in Table._fields))
        images = ImageIndex.of(table, blocks, manifest.details["filling"], division)
        rows = [row.tobytes() for row in arrays["names"]]
        names = {
            n: None if row == NO_NAME else row for n, row in zip(table.numbers.tolist(), rows, strict=True)
        }
    except (AssertionError, IndexError, KeyError, TypeError, ValueError) as error:
        raise SnapshotRejected(f"{folder} is not readable by this version: {error!r}") from error
    checked_count(folder, len(images), manifest.count)
    return images, names, manifest.sequence


def part(arrays: dict[str, NDArray[Any]], i: int, effort: int, scan_below: int) -> Part:
    """One part of a store from its arrays."""
    saved = arrays.get(f"graph-{i}")
    graph = None if saved is None else faiss.deserialize_index(saved)
    vectors = arrays[f"vectors-{i}"]
    if graph is None:
        vectors = vectors.astype(np.float32)
    return Part(Segment(arrays[f"ids-{i}"], vectors, graph, effort, scan_below), arrays[f"alive-{i}"])


def block(arrays: dict[str, NDArray[Any]], i: int) -> Block:
    """One block of an image index from its arrays."""
    descriptors, cells, codes = arrays[f"descriptors-{i}"], arrays[f"cells-{i}"], arrays[f"codes-{i}"]
    if descriptors.shape != (len(cells), DIMENSION) or codes.shape != (len(cells), CODE_BYTES):
        raise ValueError(f"block {i} has arrays of different lengths")
    return Block(descriptors, cells, codes, len(cells))


def checked_count(folder: Path, found: int, wanted: int) -> None:
    """Refuse a snapshot that holds another number of things than it says."""
    if found != wanted:
        raise SnapshotRejected(f"{folder} holds {found}, its manifest says {wanted}")
