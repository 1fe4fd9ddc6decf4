"""Which known images share local features with a picture: the shortlist that verification then works through.

Each query descriptor looks for its five nearest among all images' descriptors; four of them vote for their
image by how much nearer than the fifth they are (contract image-search 3.3, stage 2a). Neighbours are looked
for in the eight nearest cells only: exactly in the block being filled, by 16-byte codes and then exact
distance elsewhere.
"""

from __future__ import annotations

import threading
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from index import blocks, codebook, lists, neighbours
from index.arrays import descriptor_rows, id_array
from index.blocks import BLOCK_BITS, BLOCK_ROWS, Block, Described, Table
from index.codebook import DIMENSION, Codebook
from index.lists import Lists
from index.neighbours import FAR, FOUND

VOTERS = 4
PROBES = 8
"""Cells looked into per descriptor."""
CANDIDATES = 16
"""Rows per descriptor and part whose true distance is taken: codes alone lose three images in a hundred."""
NO_FIFTH = 256.0
"""Distance that stands for the fifth neighbour where fewer are found: chance lies farther, as a rule."""
GROWTH = 16
"""Lists join a merge when the others are at least a sixteenth as large: each of them costs every search."""
MOST_LISTS = 8
"""More than these are merged by the writer itself, in case nobody calls `compact`."""
WORN = 0.3
"""Share of removed rows after which a block's images move to another."""


class State(NamedTuple):
    """Everything a search needs, as of one moment.

    Attributes:
        blocks: By id; None where an id is free.
        filling: Id of the block that new images go into; every other block is in exactly one of the lists.
        starts: (C + 1,) int32, where each cell's share of `members` begins.
        members: (N,) int32, places of the block being filled, by cell.
        lists: Codes of the finished blocks.
        table: Which rows count, and for which image; rows that are in no image are never found.
    """

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

    def open_counts(self, chosen: NDArray[np.bool_] | None = None) -> NDArray[np.int64]:
        """Rows of the chosen (None: all) images in each block."""
        of, counts = self.table.blocks(), self.table.counts
        if chosen is not None:
            of, counts = of[chosen], counts[chosen]
        return np.bincount(of, counts, minlength=len(self.blocks)).astype(np.int64)


class ImageIndex:
    """Images by number, found by their local features; safe to use from many threads.

    Searches take the current state once and never wait. Writers take turns; a change is seen by every search
    that starts after the call returned. `compact` merges beside the searches and holds up writers only for
    the swap, so it belongs in a thread of its own; it is worth calling when `compact_due`.

    Args:
        cells: Division of the descriptors' space; None takes the one in the package.
    """

    def __init__(self, cells: Codebook | None = None) -> None:
        self._codebook = cells or codebook.shipped()
        self._writing = threading.Lock()
        self._compacting = threading.Lock()
        self._state = self._indexed(
            State((blocks.empty(),), 0, np.empty(0, np.int32), np.empty(0, np.int32), (), blocks.no_images())
        )

    def __len__(self) -> int:
        return len(self._state.table.numbers)

    def __contains__(self, number: int) -> bool:
        return self._state.table.place(number) is not None

    @property
    def compact_due(self) -> bool:
        """Whether `compact` would change anything."""
        state = self._state
        return bool(self._mergeable(state) or worn_blocks(state))

    def add(self, number: int, descriptors: ArrayLike) -> None:
        """Insert an image, or replace the one with the same number.

        Args:
            number: Not negative.
            descriptors: (N, 128) uint8 RootSIFT times 512, at most 65,536 rows, possibly none; copied.

        Raises:
            ValueError: Not such a number or not such descriptors; nothing is changed then.
        """
        key = int(id_array([number], name="number")[0])
        rows = descriptor_rows(descriptors, DIMENSION)
        if len(rows) > BLOCK_ROWS:
            raise ValueError(f"an image has at most {BLOCK_ROWS} descriptors, got {len(rows)}")
        cells = self._codebook.nearest(rows, 1)[:, 0].astype(np.uint16)
        described = Described(rows, cells, self._codebook.codes(rows))
        with self._writing:
            self._state = self._indexed(self._placed(without(self._state, key), key, described))
        if len(self._state.lists) > MOST_LISTS:
            self.compact()

    def remove(self, number: int) -> None:
        """Forget an image; an unknown one is ignored. No search that starts afterwards finds it."""
        with self._writing:
            self._state = without(self._state, number)

    def descriptors(self, number: int) -> NDArray[np.uint8]:
        """The descriptors (N, 128) of an image, not copied: not to be written to.

        Raises:
            KeyError: No such image.
        """
        state = self._state
        place = state.table.place(number)
        if place is None:
            raise KeyError(number)
        return part(state, place).descriptors

    def vote(
        self, descriptors: ArrayLike, top: int, allow: ArrayLike | None = None
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """The images with the most votes, best first, ties by lower number.

        Args:
            descriptors: (N, 128) uint8, of the query picture.
            top: How many images; fewer come back only when there are no more, then some without a vote.
            allow: Numbers of the images that may be found, as if there were no others; None means all.

        Returns:
            Image numbers (at most `top`,) int64 and votes (at most `top`,) float32.
        """
        if top < 1:
            raise ValueError(f"top must be at least 1, got {top}")
        queries = descriptor_rows(descriptors, DIMENSION)
        state = self._state
        chosen = None
        if allow is not None:
            chosen = np.isin(state.table.numbers, id_array(allow, name="allow"))
        distances, rows = self._nearest(state, queries, chosen)
        votes = summed_votes(state.table, distances, rows)
        numbers = state.table.numbers
        if chosen is not None:
            votes, numbers = votes[chosen], numbers[chosen]
        order = np.lexsort((numbers, -votes))[:top]
        return numbers[order], votes[order]

    def compact(self) -> None:
        """Move images out of blocks that lost many, and merge small lists; searches and writers go on."""
        with self._compacting:
            with self._writing:
                state = self._state
                for block in worn_blocks(state):
                    state = self._moved_out(state, block)
                self._state = state = self._indexed(state)
            taken = self._mergeable(state)
            if not taken:
                return
            built = self._built(state, {block for each in taken for block in each.blocks})
            with self._writing:
                now = self._state
                kept = tuple(each for each in now.lists if not any(each is one for one in taken))
                merged = (*kept, built) if built is not None else kept
                used = {now.filling, *(block for each in merged for block in each.blocks)}
                self._state = now._replace(
                    lists=merged, blocks=tuple(b if i in used else None for i, b in enumerate(now.blocks))
                )

    def contents(self) -> tuple[Table, dict[int, Block], int]:
        """Everything stored, as of now, in a form that never changes: for snapshots."""
        state = self._state
        return state.table, {i: b for i, b in enumerate(state.blocks) if b is not None}, state.filling

    @classmethod
    def of(
        cls, table: Table, stored: dict[int, Block], filling: int, cells: Codebook | None = None
    ) -> ImageIndex:
        """An index with the `contents` of another."""
        made = cls(cells)
        every = tuple(stored.get(i) for i in range(max(stored) + 1))
        state = made._indexed(made._state._replace(blocks=every, filling=filling, table=table))
        built = made._built(state, set(stored) - {filling})
        made._state = state if built is None else state._replace(lists=(built,))
        return made

    def _nearest(
        self, state: State, queries: NDArray[np.uint8], chosen: NDArray[np.bool_] | None
    ) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        """Squared distances and rows of the five nearest of each query: (Q, 5), padded with FAR and -1."""
        distances = np.full((len(queries), FOUND), FAR, dtype=np.int32)
        rows = np.full((len(queries), FOUND), -1, dtype=np.int64)
        counts = state.open_counts(chosen)
        if not len(queries) or not counts.any():
            return distances, rows
        every = np.ones(len(state.table.numbers), dtype=np.bool_) if chosen is None else chosen
        is_open = state.table.open_bits(every, len(state.blocks))
        probes = self._codebook.nearest(queries, PROBES)
        if counts[state.filling]:
            neighbours.scan_cells(
                queries,
                probes,
                state.starts,
                state.members,
                state.block(state.filling).descriptors,
                state.filling << BLOCK_BITS,
                is_open,
                distances,
                rows,
            )
        numbers = queries.astype(np.float32)
        for each in state.lists:
            count = int(counts[list(each.blocks)].sum())
            if not count:
                continue
            candidates = each.search(numbers, probes, CANDIDATES, None if count == each.size else is_open)
            for block in each.blocks:
                if counts[block]:
                    whole = state.block(block).descriptors
                    neighbours.refine(queries, candidates, block, BLOCK_BITS, whole, distances, rows)
        return distances, rows

    def _placed(self, state: State, number: int, described: Described) -> State:
        """The state with one more image, its cells not yet indexed."""
        count = len(described.cells)
        if not state.block(state.filling).fits(count):
            state = self._finished(state)
        block = state.block(state.filling)
        first = (state.filling << BLOCK_BITS) + block.used if count else 0
        stored = list(state.blocks)
        stored[state.filling] = block.appended(described)
        return state._replace(blocks=tuple(stored), table=state.table.inserted(number, first, count))

    def _finished(self, state: State) -> State:
        """The state with an empty block to fill, and lists of the one that was full."""
        built = self._built(state, {state.filling})
        stored = list(state.blocks)
        filling = state.filling
        if built is not None:
            filling = stored.index(None) if None in stored else len(stored)
        stored[filling : filling + 1] = [blocks.empty()]
        added = () if built is None else (built,)
        return state._replace(blocks=tuple(stored), filling=filling, lists=state.lists + added)

    def _moved_out(self, state: State, block: int) -> State:
        """The state with the images of a block placed anew; the block has no open rows then."""
        here = np.flatnonzero((state.table.blocks() == block) & (state.table.counts > 0))
        for number in state.table.numbers[here].tolist():
            place = state.table.place(number)
            assert place is not None
            described = part(state, place)
            state = self._placed(state._replace(table=state.table.without(place)), number, described)
        return state

    def _indexed(self, state: State) -> State:
        """The state with the cells of the block being filled sorted out."""
        block = state.block(state.filling)
        cells = block.cells[: block.used]
        sizes = np.bincount(cells, minlength=len(self._codebook.cells))
        starts = np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes)]).astype(np.int32)
        members = np.argsort(cells, kind="stable").astype(np.int32)
        return state._replace(starts=starts, members=members)

    def _built(self, state: State, ids: set[int]) -> Lists | None:
        """Lists of some blocks; None when no image has rows in them."""
        counts = state.open_counts()
        chosen = [(id_, state.block(id_)) for id_ in sorted(ids) if counts[id_]]
        if not chosen:
            return None
        every = np.ones(len(state.table.numbers), dtype=np.bool_)
        return lists.build(self._codebook, chosen, state.table.open_bits(every, len(state.blocks)))

    def _mergeable(self, state: State) -> list[Lists]:
        """Which lists to make one of: the small ones together, and those with many removed rows."""
        counts = state.open_counts()
        open_rows = [int(counts[list(each.blocks)].sum()) for each in state.lists]
        small: set[int] = set()
        rows = 0
        for i in sorted(range(len(open_rows)), key=lambda i: open_rows[i]):
            if small and open_rows[i] > GROWTH * rows:
                break
            small.add(i)
            rows += open_rows[i]
        worn = {i for i, each in enumerate(state.lists) if open_rows[i] < (1.0 - WORN) * each.size}
        taken = worn | (small if len(small) > 1 else set())
        return [each for i, each in enumerate(state.lists) if i in taken]


def without(state: State, number: int) -> State:
    """The state with an image gone; the same when it has none of that number."""
    place = state.table.place(number)
    return state if place is None else state._replace(table=state.table.without(place))


def part(state: State, place: int) -> Described:
    """What is stored of the image at a place of the table."""
    first, count = int(state.table.first[place]), int(state.table.counts[place])
    return (
        state.block(first >> BLOCK_BITS).part(first & (BLOCK_ROWS - 1), count)
        if count
        else blocks.empty().part(0, 0)
    )


def worn_blocks(state: State) -> list[int]:
    """Finished blocks that have lost many rows, but still have some."""
    counts = state.open_counts()
    return [
        i
        for i, block in enumerate(state.blocks)
        if block is not None and i != state.filling and 0 < counts[i] < (1.0 - WORN) * block.used
    ]


def summed_votes(table: Table, distances: NDArray[np.int32], rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """Votes of each image of the table from the five nearest (Q, 5) of each query: (I,) float32."""
    apart = np.sqrt(distances.astype(np.float64))
    fifth = np.where(rows[:, VOTERS:] >= 0, apart[:, VOTERS:], NO_FIFTH)
    found = rows[:, :VOTERS] >= 0
    weights = np.maximum(fifth - apart[:, :VOTERS], 0.0)[found]
    images = np.searchsorted(table.first, rows[:, :VOTERS][found], side="right") - 1
    return np.bincount(images, weights, minlength=len(table.numbers)).astype(np.float32)
