"""The category taxonomy as arrays: tags, ancestors, and every name it knows, split for training and measuring."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.product_features import words

# Entries about the record or the shop, not about the food.
_ADMINISTRATIVE = {
    "en:batches-withdrawn-from-retail-stores",
    "en:beware-multiple-products",
    "en:meats-and-their-products",
    "en:products-sold-before-year-2000",
    "en:products-that-cannot-be-found-in-metropolitan-france",
    "en:proposed-for-deletion",
    "en:special-series",
}


class Entry(msgspec.Struct, frozen=True):
    """One tag as the file has it."""

    name: dict[str, str]
    synonyms: dict[str, list[str]] = {}
    parents: list[str] = []


class Surface(NamedTuple):
    """One way to call a category; `category` is its number in Taxonomy.tags."""

    text: str
    language: str
    category: int
    is_synonym: bool

    @property
    def key(self) -> str:
        """What a spelling is told by: surfaces of one key are one and the same for the network."""
        return " ".join(words(self.text))


class Taxonomy(NamedTuple):
    """C categories; `closure` pairs every category with itself and each of its ancestors."""

    tags: tuple[str, ...]
    parents: NDArray[np.int64]  # (P, 2) child, parent
    closure: NDArray[np.int64]  # (L, 2) category, itself or ancestor; ordered by category
    surfaces: tuple[Surface, ...]


class Split(NamedTuple):
    """Surfaces by use; no key is in two of them."""

    train: list[Surface]
    calibration: list[Surface]
    test: list[Surface]


def read(folder: Path, within: str | None = None) -> Taxonomy:
    """The taxonomy of `categories.json`; `within` keeps one tag and its descendants."""
    entries = read_entries(folder / "categories.json")
    entries = {tag: entry for tag, entry in entries.items() if tag not in _ADMINISTRATIVE}
    lineages = {tag: _lineage(tag, entries) for tag in entries}
    tags = tuple(sorted(tag for tag in entries if within is None or within in lineages[tag]))
    number = {tag: index for index, tag in enumerate(tags)}
    parents = [(number[tag], number[up]) for tag in tags for up in entries[tag].parents if up in number]
    closure = [(number[tag], number[up]) for tag in tags for up in lineages[tag] if up in number]
    surfaces: list[Surface] = []
    for tag in tags:
        entry = entries[tag]
        surfaces += [Surface(text, language, number[tag], False) for language, text in entry.name.items()]
        for language, texts in entry.synonyms.items():
            surfaces += [Surface(text, language, number[tag], True) for text in texts]
    kept = tuple(surface for surface in surfaces if surface.key)
    return Taxonomy(tags, _pairs(parents), _pairs(closure), kept)


def read_entries(path: Path) -> dict[str, Entry]:
    """A taxonomy file, tag to entry."""
    return msgspec.json.decode(path.read_bytes(), type=dict[str, Entry])


def split(taxonomy: Taxonomy, seed: int, test: float = 0.1, calibration: float = 0.05) -> Split:
    """Holds out shares of the keys, each together with all surfaces spelled so.

    Only keys of categories that keep another key can be held out: nobody learns a name from nothing.
    `test` takes keys that are a synonym somewhere; calibration takes names and synonyms alike.
    """
    categories: dict[str, set[int]] = {}
    is_synonym: dict[str, bool] = {}
    for surface in taxonomy.surfaces:
        categories.setdefault(surface.key, set()).add(surface.category)
        is_synonym[surface.key] = is_synonym.get(surface.key, True) and surface.is_synonym
    left = np.zeros(len(taxonomy.tags), np.int64)
    for owners in categories.values():
        left[list(owners)] += 1
    keys = sorted(categories)
    np.random.default_rng(seed).shuffle(keys)
    wanted_test = round(test * sum(is_synonym.values()))
    wanted_calibration = round(calibration * len(keys))
    held: dict[str, str] = {}
    for key in keys:
        named = list(categories[key])
        if left[named].min() < 2:
            continue
        if is_synonym[key] and wanted_test > 0:
            held[key], wanted_test = "test", wanted_test - 1
        elif wanted_calibration > 0:
            held[key], wanted_calibration = "calibration", wanted_calibration - 1
        else:
            continue
        left[named] -= 1
    parts: dict[str, list[Surface]] = {"train": [], "calibration": [], "test": []}
    for surface in taxonomy.surfaces:
        parts[held.get(surface.key, "train")].append(surface)
    return Split(**parts)


def _lineage(tag: str, entries: dict[str, Entry]) -> list[str]:
    """The tag and all its ancestors, nearest first; a loop in the file ends where it closes."""
    found = [tag]
    for one in found:
        parents = entries[one].parents
        found += [parent for parent in dict.fromkeys(parents) if parent in entries and parent not in found]
    return found


def _pairs(pairs: Iterable[tuple[int, int]]) -> NDArray[np.int64]:
    return np.array(list(pairs), np.int64).reshape(-1, 2)
