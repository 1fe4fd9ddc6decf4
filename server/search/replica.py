"""The searchable copy of one collection in memory: votes for the shortlist, features to verify it.

Searches run beside one writer without a lock: they ask for one image at a time and skip what has gone.
Ten thousand images of 600 features take about 0.9 GB beside the index's own copy of the descriptors.
"""

from __future__ import annotations

import threading
from collections.abc import Collection
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from index.shortlist import ImageIndex
from server.search.features import Described
from server.search.geometry import Size


class Entry(NamedTuple):
    """One reference image: who it is, and what verifying it needs.

    number: its place in the index. order: its place in time, which a new picture under the same id keeps.
    keypoints (N, 4) float32 in pixels of `size`; descriptors (N, 128) uint8; thumb (h, w) uint8 gray.
    """

    number: int
    order: int
    image_id: str
    item_id: str
    size: Size
    keypoints: NDArray[np.float32]
    descriptors: NDArray[np.uint8]
    thumb: NDArray[np.uint8]


class Replica:
    """Images by number in order of arrival; `revision` grows with every change."""

    def __init__(self) -> None:
        self.revision = 0
        self._index = ImageIndex()
        self._entries: dict[int, Entry] = {}
        self._numbers: dict[str, int] = {}
        self._items: dict[str, set[int]] = {}
        self._hidden: frozenset[str] = frozenset()
        self._next = 0
        self._writing = threading.Lock()

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, image_id: str) -> bool:
        return image_id in self._numbers

    def add_image(self, image_id: str, item_id: str, picture: Described) -> None:
        """Make a picture searchable, in place of the one of the same id if there is one."""
        height, width = picture.gray.shape
        with self._writing:
            number = self._next
            self._next += 1
            found = picture.features
            former = self._entries.get(self._numbers.get(image_id, -1))
            self._entries[number] = Entry(
                number,
                number if former is None else former.order,
                image_id,
                item_id,
                Size(width, height),
                np.ascontiguousarray(found.keypoints),
                np.ascontiguousarray(found.descriptors),
                picture.thumb.copy(),
            )
            self._index.add(number, found.descriptors)
            self._numbers[image_id] = number
            # A new set each time: searches read the old one without a lock.
            self._items[item_id] = self._items.get(item_id, set()) | {number}
            if former is not None:
                self._drop(former.number)
            self.revision += 1

    def remove_image(self, image_id: str) -> bool:
        """Forget a picture at once; False when it is not here."""
        with self._writing:
            number = self._numbers.pop(image_id, None)
            if number is None:
                return False
            self._drop(number)
            self.revision += 1
            return True

    def remove_item(self, item_id: str) -> int:
        """Forget every picture of an item; how many there were."""
        images = [entry.image_id for entry in self.of_items([item_id])]
        return sum(self.remove_image(image_id) for image_id in images)

    def set_hidden(self, item_ids: Collection[str]) -> None:
        """The items that are never found from now on (inactive, or out of their validity)."""
        with self._writing:
            self._hidden = frozenset(item_ids)
            self.revision += 1

    def shortlist(
        self, descriptors: NDArray[np.uint8], top: int, items: Collection[str] | None = None
    ) -> tuple[list[Entry], NDArray[np.float32]]:
        """At most `top` visible images with the most votes, and the votes; only of `items` when given."""
        allow = self._allowed(items)
        if not self._entries or (allow is not None and not len(allow)):
            return [], np.zeros(0, np.float32)
        numbers, votes = self._index.vote(descriptors, top, allow)
        found = [self._entries.get(int(number)) for number in numbers]
        alive = np.array([entry is not None for entry in found], bool)
        return [entry for entry in found if entry is not None], votes[alive]

    def of_items(self, item_ids: Collection[str]) -> list[Entry]:
        numbers = sorted(n for item_id in item_ids for n in self._items.get(item_id, ()))
        found = (self._entries.get(number) for number in numbers)
        return [entry for entry in found if entry is not None]

    def _allowed(self, items: Collection[str] | None) -> NDArray[np.int64] | None:
        hidden = self._hidden
        if items is None and not hidden:
            return None
        wanted = list(self._items) if items is None else items
        numbers = [n for item in wanted if item not in hidden for n in self._items.get(item, ())]
        return np.array(sorted(numbers), np.int64)

    def _drop(self, number: int) -> None:
        entry = self._entries.pop(number)
        self._index.remove(number)
        left = self._items[entry.item_id] - {number}
        if left:
            self._items[entry.item_id] = left
        else:
            del self._items[entry.item_id]
