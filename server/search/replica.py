"""The searchable copy of one collection in memory: votes for the shortlist, features to verify it.

Searches run beside one writer without a lock: they ask for one image at a time and skip what has gone.
Beside the index, which holds the descriptors, an image of 600 features takes about 20 kB.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from index import snapshot
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


# The index holds the descriptors and moves them about as it likes; they are asked for when needed.
NOT_LOOKED_UP = np.empty((0, 128), np.uint8)


class Replica:
    """Images by number in order of arrival."""

    def __init__(self, index: ImageIndex | None = None) -> None:
        self._index = ImageIndex() if index is None else index
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
        self.add_images([(image_id, item_id, picture)])

    def add_images(self, pictures: Iterable[tuple[str, str, Described]]) -> None:
        """Make pictures searchable, each with its image and item id: as `add_image`, faster, all or none."""
        with self._writing:
            entries: list[Entry] = []
            descriptors: list[NDArray[np.uint8]] = []
            for number, (image_id, item_id, picture) in enumerate(pictures, self._next):
                entries.append(_entered(number, image_id, item_id, picture))
                descriptors.append(picture.features.descriptors)
            self._index.add_many([entry.number for entry in entries], descriptors)
            self._next += len(entries)
            for entry in entries:
                self._take(entry)

    def remove_image(self, image_id: str) -> bool:
        """Forget a picture at once; False when it is not here."""
        with self._writing:
            number = self._numbers.pop(image_id, None)
            if number is None:
                return False
            self._drop(number)
            return True

    def remove_item(self, item_id: str) -> int:
        """Forget every picture of an item; how many there were."""
        images = [entry.image_id for entry in self.of_items([item_id])]
        return sum(self.remove_image(image_id) for image_id in images)

    def set_hidden(self, item_ids: Collection[str]) -> None:
        """The items that are never found from now on (inactive, or out of their validity)."""
        with self._writing:
            self._hidden = frozenset(item_ids)

    def vote(
        self, descriptors: NDArray[np.uint8], top: int, items: Collection[str] | None = None
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """At most `top` numbers of visible images, most voted first, and their votes; only of `items`."""
        allow = self._allowed(items)
        if not self._entries or (allow is not None and not len(allow)):
            return np.empty(0, np.int64), np.empty(0, np.float32)
        return self._index.vote(descriptors, top, allow)

    def entries(self, numbers: Iterable[int]) -> list[Entry]:
        """The images of these numbers, in this order; those that have gone meanwhile are left out."""
        found = (self._entry(int(number)) for number in numbers)
        return [entry for entry in found if entry is not None]

    def of_items(self, item_ids: Collection[str]) -> list[Entry]:
        """Every image of some items, in order of arrival."""
        return self.entries(sorted(n for item_id in item_ids for n in self._items.get(item_id, ())))

    @classmethod
    def restored(cls, folder: Path) -> tuple[Replica, dict[str, int], int]:
        """From a snapshot: without pictures yet, the number of each image id in it, and its change sequence.

        `SnapshotRejected` when there is none, or it is damaged.
        """
        index, names, sequence = snapshot.load_images(folder)
        replica = cls(index)
        numbers: dict[str, int] = {}
        for number, name in names.items():
            replica._next = max(replica._next, number + 1)
            if name is None:
                index.remove(number)
            else:
                numbers[name.hex()] = number
        return replica, numbers, sequence

    def restore(self, number: int, image_id: str, item_id: str, picture: Described) -> None:
        """Give back its picture, of which the descriptors are not read, to a number of the snapshot."""
        with self._writing:
            self._take(_entered(number, image_id, item_id, picture))

    def forget(self, number: int) -> None:
        """Remove what a snapshot has and nobody knows any more."""
        self._index.remove(number)

    def save(self, folder: Path, sequence: int) -> None:
        """Write a snapshot beside searches and writers, with every change up to `sequence` in it."""

        def name(number: int) -> bytes | None:
            entry = self._entries.get(number)
            return None if entry is None else bytes.fromhex(entry.image_id)

        snapshot.save_images(self._index, folder, sequence, name)

    @property
    def compact_due(self) -> bool:
        """Whether `compact` would make searches faster."""
        return self._index.compact_due

    def compact(self) -> None:
        """Tidy the index beside searches and writers; takes seconds, so call it from a thread of its own."""
        self._index.compact()

    def _take(self, entry: Entry) -> None:
        """What the index has already becomes an image, in place of the former one of the same id."""
        former = self._entries.get(self._numbers.get(entry.image_id, -1))
        if former is not None:
            entry = entry._replace(order=former.order)
        self._entries[entry.number] = entry
        self._numbers[entry.image_id] = entry.number
        # A new set each time: searches read the old one without a lock.
        self._items[entry.item_id] = self._items.get(entry.item_id, set()) | {entry.number}
        if former is not None:
            self._drop(former.number)

    def _entry(self, number: int) -> Entry | None:
        """None when it has gone meanwhile."""
        entry = self._entries.get(number)
        if entry is None:
            return None
        try:
            return entry._replace(descriptors=self._index.descriptors(number))
        except KeyError:
            return None

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


def _entered(number: int, image_id: str, item_id: str, picture: Described) -> Entry:
    height, width = picture.gray.shape
    features, size = picture.features, Size(width, height)
    points, thumb = features.keypoints.copy(), picture.thumb.copy()
    return Entry(number, number, image_id, item_id, size, points, NOT_LOOKED_UP, thumb)
