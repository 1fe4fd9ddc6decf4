"""Which known images share local features with a picture: the shortlist that verification then works through.

Each query descriptor looks for its five nearest among all images' descriptors; four of them vote for their
image by how much nearer than the fifth they are (contract image-search 3.3, stage 2a). Only the nearest cells
are looked into: exactly in the block being filled, by 16-byte codes and then exact distance in the others.

On 1,106 images (0.65 million descriptors of real photos) the wanted one was among the first fifteen as often
as with exact search, within half a point in a hundred; `python -m bench recall` measures it.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from index import codebook, gallery, neighbours
from index.arrays import descriptor_rows, id_array
from index.blocks import BLOCK_BITS, BLOCK_ROWS, Block, Described, Table
from index.codebook import Codebook
from index.gallery import Gallery
from index.neighbours import DIMENSION, FAR, FOUND

VOTERS = 4
PROBES = 8
"""Cells looked into per descriptor; with twice as many no image more in a hundred is found."""
PROBES_FEW = 32
"""The same while every image is in the block being filled, where a cell holds next to nothing."""
CANDIDATES = 16
"""Rows per descriptor and lists whose true distance is taken; codes alone lose three images in a hundred."""
NO_FIFTH = 256.0
"""Distance that stands for the fifth neighbour where fewer are found: chance lies farther, as a rule."""
MOST_LISTS = 8
"""More than these are merged by the writer itself, in case nobody calls `compact`."""


class ImageIndex:
    """Images by number, found by their local features; safe to use from many threads.

    Searches take the current gallery once and never wait. Writers take turns; a change is seen by every
    search that starts after the call returned. `compact` merges beside the searches and holds up writers only
    for the swap, so it belongs in a thread of its own; it is worth calling when `compact_due`.

    Args:
        cells: Division of the descriptors' space; None takes the one in the package.
    """

    def __init__(self, cells: Codebook | None = None) -> None:
        self._gallery = gallery.empty(cells or codebook.shipped())
        self._writing = threading.Lock()
        self._compacting = threading.Lock()

    @classmethod
    def of(
        cls, table: Table, blocks: dict[int, Block], filling: int, cells: Codebook | None = None
    ) -> ImageIndex:
        """An index with the `contents` of another."""
        made = cls(cells)
        made._gallery = gallery.of(made._gallery.codebook, table, blocks, filling)
        return made

    def __len__(self) -> int:
        return len(self._gallery.table.numbers)

    def __contains__(self, number: int) -> bool:
        return self._gallery.table.place(number) is not None

    @property
    def space(self) -> str:
        """Kind of descriptor and division of it that the index is made of."""
        return self._gallery.codebook.name

    @property
    def compact_due(self) -> bool:
        """Whether `compact` would change anything."""
        now = self._gallery
        return bool(now.mergeable() or now.worn_blocks())

    def add(self, number: int, descriptors: ArrayLike) -> None:
        """Insert an image, or replace the one with the same number.

        Args:
            number: Not negative.
            descriptors: (N, 128) uint8 RootSIFT times 512, at most 65,536 rows, possibly none; copied.

        Raises:
            ValueError: Not such a number or not such descriptors; nothing is changed then.
        """
        self.add_many([number], [descriptors])

    def add_many(self, numbers: Sequence[int], descriptors: Sequence[ArrayLike]) -> None:
        """Insert images as by `add`, all at one moment and several times as fast; the last of a number counts.

        Raises:
            ValueError: As `add`, or as many numbers as images are missing; nothing is changed then.
        """
        keys = id_array(numbers, name="number").tolist()
        rows = [descriptor_rows(each, DIMENSION) for each in descriptors]
        if len(keys) != len(rows):
            raise ValueError(f"{len(keys)} numbers for {len(rows)} images")
        if not keys:
            return
        longest = max(len(each) for each in rows)
        if longest > BLOCK_ROWS:
            raise ValueError(f"an image has at most {BLOCK_ROWS} descriptors, got {longest}")
        whole = np.concatenate(rows)
        cells = self._gallery.codebook.nearest(whole, 1)[:, 0].astype(np.uint16)
        codes = self._gallery.codebook.codes(whole)
        ends = np.cumsum([len(each) for each in rows]).tolist()
        with self._writing:
            changed = self._gallery
            for key, each, end in zip(keys, rows, ends, strict=True):
                share = slice(end - len(each), end)
                changed = changed.without(key).placed(key, Described(each, cells[share], codes[share]))
            self._gallery = changed.sorted_in()
        if len(self._gallery.lists) > MOST_LISTS:
            self.compact()

    def remove(self, number: int) -> None:
        """Forget an image; an unknown one is ignored. No search that starts afterwards finds it."""
        with self._writing:
            self._gallery = self._gallery.without(number)

    def descriptors(self, number: int) -> NDArray[np.uint8]:
        """The descriptors (N, 128) of an image, not copied: not to be written to.

        Raises:
            KeyError: No such image.
        """
        now = self._gallery
        place = now.table.place(number)
        if place is None:
            raise KeyError(number)
        return now.described(place).descriptors

    def vote(
        self, descriptors: ArrayLike, top: int, allow: ArrayLike | None = None
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """The images with the most votes, best first, ties by lower number.

        Args:
            descriptors: (N, 128) uint8, of the query picture.
            top: How many images; fewer come back only when there are no more, and the last may have no vote.
            allow: Numbers of the images that may be found, as if there were no others; None means all.

        Returns:
            Image numbers (at most `top`,) int64 and votes (at most `top`,) float32.

        Raises:
            ValueError: Not such descriptors, or not such numbers.
        """
        if top < 1:
            raise ValueError(f"top must be at least 1, got {top}")
        queries = descriptor_rows(descriptors, DIMENSION)
        now = self._gallery
        numbers = now.table.numbers
        chosen = None if allow is None else np.isin(numbers, id_array(allow, name="allow"))
        votes = summed_votes(now.table, *nearest(now, queries, chosen))
        if chosen is not None:
            votes, numbers = votes[chosen], numbers[chosen]
        order = np.lexsort((numbers, -votes))[:top]
        return numbers[order], votes[order]

    def compact(self) -> None:
        """Move images out of blocks that lost many, and merge small lists; searches and writers go on."""
        with self._compacting:
            with self._writing:
                for block in self._gallery.worn_blocks():
                    self._gallery = self._gallery.moved_out_of(block).sorted_in()
                before = self._gallery
            taken = before.mergeable()
            if taken:
                built = before.listed({block for each in taken for block in each.blocks})
                with self._writing:
                    # What was removed meanwhile is in the new lists, but in no image: it is not found.
                    self._gallery = self._gallery.swapped(taken, built)

    def contents(self) -> tuple[Table, dict[int, Block], int]:
        """Table, blocks by id and the id being filled, as of now; they never change: for snapshots."""
        now = self._gallery
        return now.table, {i: block for i, block in enumerate(now.blocks) if block is not None}, now.filling


def nearest(
    images: Gallery, queries: NDArray[np.uint8], chosen: NDArray[np.bool_] | None
) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Squared distances and rows of the five nearest of each query: (Q, 5), padded with FAR and -1."""
    distances = np.full((len(queries), FOUND), FAR, dtype=np.int32)
    rows = np.full((len(queries), FOUND), -1, dtype=np.int64)
    counts = images.open_counts(chosen)
    if not len(queries) or not counts.any():
        return distances, rows
    searched = [(each, int(counts[list(each.blocks)].sum())) for each in images.lists]
    # Whether a row may be found is not asked of lists all of whose rows may; the block being filled always asks.
    if all(count in (0, each.size) for each, count in searched):
        here = images.table.blocks() == images.filling
        is_open = images.open_bits(here if chosen is None else here & chosen)
    else:
        is_open = images.open_bits(chosen)
    few = not any(count for _, count in searched)
    probes = images.codebook.nearest(queries, PROBES_FEW if few else PROBES)
    if counts[images.filling]:
        neighbours.scan_cells(
            queries,
            probes,
            np.argsort(probes.ravel(), kind="stable"),
            images.starts,
            images.members,
            images.block(images.filling).descriptors,
            images.filling << BLOCK_BITS,
            is_open,
            distances,
            rows,
        )
    numbers = queries.astype(np.float32)
    for each, count in searched:
        if not count:
            continue
        candidates = each.search(numbers, probes, CANDIDATES, None if count == each.size else is_open)
        for block in each.blocks:
            if counts[block]:
                whole = images.block(block).descriptors
                neighbours.refine(queries, candidates, block, BLOCK_BITS, whole, distances, rows)
    return distances, rows


def summed_votes(table: Table, distances: NDArray[np.int32], rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """Votes of each image of the table from the five nearest (Q, 5) of each query: (I,) float32."""
    apart = np.sqrt(distances.astype(np.float64))
    fifth = np.where(rows[:, VOTERS:] >= 0, apart[:, VOTERS:], NO_FIFTH)
    found = rows[:, :VOTERS] >= 0
    weights = np.maximum(fifth - apart[:, :VOTERS], 0.0)[found]
    images = np.searchsorted(table.first, rows[:, :VOTERS][found], side="right") - 1
    return np.bincount(images, weights, minlength=len(table.numbers)).astype(np.float32)
