"""The images of an index as of one moment, and what each change makes of them; nothing changes in place."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from index import blocks, lists
from index.blocks import BLOCK_BITS, BLOCK_ROWS, Block, Described, Table
from index.codebook import Codebook
from index.lists import Lists

GROWTH = 16
"""Lists join a merge when the others are at least a sixteenth as large: each of them costs every search."""
WORN = 0.3
"""Share of removed rows after which lists are made anew, and a block's images move to another block."""


class Gallery(NamedTuple):
    """Everything a search needs.

    Attributes:
        codebook: Cells and codes of the descriptors.
        blocks: By id; None where an id is free.
        filling: Id of the block that new images go into; every other block is in exactly one of the lists.
        starts: (C + 1,) int32, where each cell's share of `members` begins.
        members: (N,) int32, places of the block being filled, by cell.
        lists: Codes of the finished blocks.
        table: Which rows count, and for which image; rows that are in no image are never found.
    """

    codebook: Codebook
    blocks: tuple[Block | None, ...]
    filling: int
    starts: NDArray[np.int32]
    members: NDArray[np.int32]
    lists: tuple[Lists, ...]
    table: Table

    def block(self, id_: int) -> Block:
        """A block that is in use."""
        found = self.blocks[id_]
        assert found is not None
        return found

    def described(self, place: int) -> Described:
        """What is stored of the image at a place of the table, not copied."""
        first, count = int(self.table.first[place]), int(self.table.counts[place])
        if not count:
            return blocks.empty().part(0, 0)
        return self.block(first >> BLOCK_BITS).part(first & (BLOCK_ROWS - 1), count)

    def open_counts(self, chosen: NDArray[np.bool_] | None = None) -> NDArray[np.int64]:
        """Rows of the chosen (None: all) images in each block: (blocks,)."""
        of, counts = self.table.blocks(), self.table.counts
        if chosen is not None:
            of, counts = of[chosen], counts[chosen]
        return np.bincount(of, counts, minlength=len(self.blocks)).astype(np.int64)

    def open_bits(self, chosen: NDArray[np.bool_] | None = None) -> NDArray[np.uint8]:
        """A bit per row number, lowest first: set for the rows of the chosen (None: all) images."""
        if chosen is None:
            chosen = np.ones(len(self.table.numbers), dtype=np.bool_)
        return self.table.open_bits(chosen, len(self.blocks))

    def without(self, number: int) -> Gallery:
        """This with an image gone; itself when it has none of that number."""
        place = self.table.place(number)
        return self if place is None else self._replace(table=self.table.without(place))

    def placed(self, number: int, described: Described) -> Gallery:
        """This with one more image; its cells are sorted in by `sorted_in`, before it is searched."""
        count = len(described.cells)
        room = self if self.block(self.filling).fits(count) else self._finished()
        block = room.block(room.filling)
        first = (room.filling << BLOCK_BITS) + block.used if count else 0
        stored = list(room.blocks)
        stored[room.filling] = block.appended(described)
        return room._replace(blocks=tuple(stored), table=room.table.inserted(number, first, count))

    def sorted_in(self) -> Gallery:
        """This with the places of the block being filled in order of their cells."""
        block = self.block(self.filling)
        cells = block.cells[: block.used]
        sizes = np.bincount(cells, minlength=len(self.codebook.cells))
        return self._replace(
            starts=np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes)]).astype(np.int32),
            members=np.argsort(cells, kind="stable").astype(np.int32),
        )

    def worn_blocks(self) -> list[int]:
        """Finished blocks that have lost many rows, but still have some."""
        counts = self.open_counts()
        return [
            i
            for i, block in enumerate(self.blocks)
            if block is not None and i != self.filling and 0 < counts[i] < (1.0 - WORN) * block.used
        ]

    def moved_out_of(self, block: int) -> Gallery:
        """This with the images of a block placed anew, so that nothing in the block counts any more."""
        gallery = self
        here = np.flatnonzero((self.table.blocks() == block) & (self.table.counts > 0))
        for number in self.table.numbers[here].tolist():
            place = gallery.table.place(number)
            assert place is not None
            gallery = gallery.without(number).placed(number, gallery.described(place))
        return gallery

    def mergeable(self) -> list[Lists]:
        """Which lists to make one of: the small ones together, and those with many removed rows."""
        counts = self.open_counts()
        rows = [int(counts[list(each.blocks)].sum()) for each in self.lists]
        small: set[int] = set()
        together = 0
        for i in sorted(range(len(rows)), key=lambda i: rows[i]):
            if small and rows[i] > GROWTH * together:
                break
            small.add(i)
            together += rows[i]
        worn = {i for i, each in enumerate(self.lists) if rows[i] < (1.0 - WORN) * each.size}
        taken = worn | (small if len(small) > 1 else set())
        return [each for i, each in enumerate(self.lists) if i in taken]

    def listed(self, ids: set[int]) -> Lists | None:
        """Lists of some blocks; None when nothing in them counts."""
        counts = self.open_counts()
        chosen = [(id_, self.block(id_)) for id_ in sorted(ids) if counts[id_]]
        return lists.build(self.codebook, chosen, self.open_bits()) if chosen else None

    def swapped(self, taken: list[Lists], built: Lists | None) -> Gallery:
        """This with lists in place of those they were built from, and the ids of blocks in no list free."""
        kept = tuple(each for each in self.lists if not any(each is one for one in taken))
        merged = kept if built is None else (*kept, built)
        used = {self.filling, *(block for each in merged for block in each.blocks)}
        return self._replace(
            lists=merged, blocks=tuple(block if i in used else None for i, block in enumerate(self.blocks))
        )

    def _finished(self) -> Gallery:
        """This with an empty block to fill, and lists of the one that was full."""
        built = self.listed({self.filling})
        stored = list(self.blocks)
        filling = self.filling
        if built is not None:
            filling = stored.index(None) if None in stored else len(stored)
        stored[filling : filling + 1] = [blocks.empty()]
        added = () if built is None else (built,)
        return self._replace(blocks=tuple(stored), filling=filling, lists=self.lists + added)


def empty(codebook: Codebook) -> Gallery:
    """No images."""
    none = np.empty(0, dtype=np.int32)
    return Gallery(codebook, (blocks.empty(),), 0, none, none, (), blocks.no_images()).sorted_in()


def of(codebook: Codebook, table: Table, stored: dict[int, Block], filling: int) -> Gallery:
    """A gallery of stored blocks by id."""
    # Without the room behind its rows: another gallery may go on to fill it.
    every = tuple(stored[i].trimmed() if i in stored else None for i in range(max(stored) + 1))
    whole = empty(codebook)._replace(blocks=every, filling=filling, table=table).sorted_in()
    return whole.swapped([], whole.listed(set(stored) - {filling}))
