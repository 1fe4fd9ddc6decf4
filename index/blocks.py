"""Descriptors in blocks that are filled once: what a row number stands for, and whose row it is."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from index import neighbours
from index.codebook import CODE_BYTES
from index.neighbours import DIMENSION

BLOCK_BITS = 16
BLOCK_ROWS = 1 << BLOCK_BITS
"""Rows of a block; a row number is block << BLOCK_BITS | place. About a hundred images."""
LEAST_ROWS = 1024


class Described(NamedTuple):
    """One image's descriptors (N, 128) uint8 with their cells (N,) uint16 and codes (N, 16) uint8."""

    descriptors: NDArray[np.uint8]
    cells: NDArray[np.uint16]
    codes: NDArray[np.uint8]


class Block(NamedTuple):
    """The descriptors of some images, as of one moment.

    The buffers may be longer than `used`: the one writer fills places past the end and then publishes a new
    `Block` over the same buffers; readers of an older one never look there.

    Attributes:
        descriptors: (capacity, 128) uint8.
        cells: (capacity,) uint16, the cell of each.
        codes: (capacity, 16) uint8, the code of each.
        used: Places in use.
    """

    descriptors: NDArray[np.uint8]
    cells: NDArray[np.uint16]
    codes: NDArray[np.uint8]
    used: int

    def fits(self, rows: int) -> bool:
        """Whether that many more rows fit."""
        return self.used + rows <= BLOCK_ROWS

    def appended(self, new: Described) -> Block:
        """This and one more image after it; only for the newest state, by one writer at a time."""
        start, end = self.used, self.used + len(new.cells)
        block = self if end <= len(self.cells) else self._grown(end)
        block.descriptors[start:end] = new.descriptors
        block.cells[start:end] = new.cells
        block.codes[start:end] = new.codes
        return block._replace(used=end)

    def trimmed(self) -> Block:
        """This without room for more, so that appending copies it first."""
        return Block(*self.part(0, self.used), self.used)

    def _grown(self, least: int) -> Block:
        capacity = min(BLOCK_ROWS, max(LEAST_ROWS, 2 * len(self.cells), least))
        grown = empty(capacity)
        grown.descriptors[: self.used] = self.descriptors[: self.used]
        grown.cells[: self.used] = self.cells[: self.used]
        grown.codes[: self.used] = self.codes[: self.used]
        return grown

    def part(self, start: int, count: int) -> Described:
        """One image's share, not copied."""
        places = slice(start, start + count)
        return Described(self.descriptors[places], self.cells[places], self.codes[places])


def empty(capacity: int = 0) -> Block:
    """A block with nothing in it."""
    return Block(
        np.empty((capacity, DIMENSION), dtype=np.uint8),
        np.empty(capacity, dtype=np.uint16),
        np.empty((capacity, CODE_BYTES), dtype=np.uint8),
        0,
    )


class Table(NamedTuple):
    """Which rows belong to which image, by first row; replaced (never written to) on change.

    Attributes:
        numbers: (I,) int64, the callers' numbers of the images; each is there once.
        first: (I,) int64 ascending, first row; 0 for images without any.
        counts: (I,) int64, rows.
    """

    numbers: NDArray[np.int64]
    first: NDArray[np.int64]
    counts: NDArray[np.int64]

    def place(self, number: int) -> int | None:
        """Where an image is in the table."""
        found = np.flatnonzero(self.numbers == number)
        return int(found[0]) if len(found) else None

    def inserted(self, number: int, first: int, count: int) -> Table:
        """This with one more image."""
        # Images without rows stay at the front: a row belongs to the last image that begins at or before it.
        place = int(np.searchsorted(self.first, first, side="right")) if count else 0
        values = (number, first, count)
        return Table(*(np.insert(column, place, value) for column, value in zip(self, values, strict=True)))

    def without(self, place: int) -> Table:
        """This without the image at a place."""
        return Table(*(np.delete(column, place) for column in self))

    def blocks(self) -> NDArray[np.int64]:
        """The block of each image."""
        return self.first >> BLOCK_BITS

    def open_bits(self, chosen: NDArray[np.bool_], blocks: int) -> NDArray[np.uint8]:
        """A bit per row of `blocks` blocks, lowest first: set for the rows of the chosen images."""
        bits = np.zeros(blocks * (BLOCK_ROWS // 8), dtype=np.uint8)
        neighbours.open_rows(self.first, self.counts, chosen, bits)
        return bits


def no_images() -> Table:
    """A table of no images."""
    none = np.empty(0, dtype=np.int64)
    return Table(none, none, none)
