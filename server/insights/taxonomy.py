"""Taxonomies in memory: ids, names in many languages, synonyms and parents, in few bytes (contract 2.10)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from server import changes
from server.insights import queries_taxonomy, tags

if TYPE_CHECKING:
    from server.db import Database

logger = logging.getLogger(__name__)

TOPIC = "taxonomy:"
# In a row of the index: which node, and whether the text is only a synonym of it.
_SYNONYM = np.uint32(1 << 31)
_NODE = np.uint32((1 << 31) - 1)
# Languages that a name without one is looked up in first.
_FIRST_LANGUAGES = ("xx", "en")


class Node(msgspec.Struct, frozen=True):
    """What is looked up; the node has properties besides."""

    name: dict[str, str] = {}
    synonyms: dict[str, list[str]] = {}
    parents: list[str] = []


class _Names(msgspec.Struct, frozen=True):
    name: dict[str, str] = {}


_decode = msgspec.json.Decoder(Node).decode
_decode_names = msgspec.json.Decoder(_Names).decode


class Taxonomy:
    """Never changes: an update makes a new one, so that a thread can build it while others read.

    Nodes stay the JSON they came as. Names and synonyms are an index of 64-bit hashes, checked against the
    node at each look-up: a dictionary of them would take twenty times the memory.
    """

    def __init__(self) -> None:
        self._nodes: dict[str, bytes] = {}
        self._ids: list[str] = []
        self._parents: dict[str, tuple[str, ...]] = {}
        self._languages: tuple[str, ...] = ()
        # Sorted by hash, then names before synonyms, then older nodes first; both (N,).
        self._hashes: NDArray[np.int64] = np.empty(0, np.int64)
        self._owners: NDArray[np.uint32] = np.empty(0, np.uint32)

    def __len__(self) -> int:
        return len(self._nodes)

    def __contains__(self, tag: str) -> bool:
        return tag in self._nodes

    def updated(self, nodes: Mapping[str, bytes]) -> Taxonomy:
        """The same with these nodes, JSON objects without their id, added or in place of the ones before."""
        made = Taxonomy()
        made._nodes = {**self._nodes, **nodes}
        made._ids = self._ids + [tag for tag in nodes if tag not in self._nodes]
        numbers = {tag: number for number, tag in enumerate(made._ids) if tag in nodes}
        parents, languages = {}, set(self._languages)
        hashes: list[int] = []
        owners: list[int] = []
        for tag, raw in nodes.items():
            node = _decode(raw)
            parents[tag] = tuple(node.parents)
            languages.update(node.name, node.synonyms)
            for is_synonym, found in enumerate(_hashes_of(node)):
                hashes.extend(found)
                owners.extend([numbers[tag] | is_synonym << 31] * len(found))
        made._parents = self._parents | parents
        made._languages = tuple(
            sorted(languages, key=lambda one: (one not in _FIRST_LANGUAGES, one != "xx", one))
        )
        kept = ~np.isin(self._owners & _NODE, np.fromiter(numbers.values(), np.uint32, len(numbers)))
        all_hashes = np.concatenate([self._hashes[kept], np.array(hashes, np.int64)])
        all_owners = np.concatenate([self._owners[kept], np.array(owners, np.uint32)])
        order = np.lexsort((all_owners, all_hashes))
        made._hashes, made._owners = all_hashes[order], all_owners[order]
        return made

    def canonical(self, tag_or_name: str) -> str | None:
        """The id behind a tag or name: the id itself, or the node whose name or synonym it is in its language.

        "fr:Yaourts" and "fr:yaourts" find "en:yogurts"; without a language every language is tried,
        international and English names first. None when nothing has that name.
        """
        if tag_or_name in self._nodes:
            return tag_or_name
        if tags.is_tag(tag_or_name):
            language, _, name = tag_or_name.partition(":")
            return self._find(language, tags.tag(name))
        name = tags.tag(tag_or_name)
        found = (self._find(language, name) for language in self._languages)
        return next((tag for tag in found if tag is not None), None)

    def ancestors(self, tag: str) -> frozenset[str]:
        """The ids of its parents, their parents and so on, never itself; a circle ends where it began."""
        found: set[str] = set()
        waiting = [tag]
        while waiting:
            for parent in self._parents.get(waiting.pop(), ()):
                if parent not in found:
                    found.add(parent)
                    waiting.append(parent)
        found.discard(tag)
        return frozenset(found)

    def is_below(self, tag: str, other: str) -> bool:
        """Whether `other` is an ancestor of it."""
        return other in self.ancestors(tag)

    def deepest(self, wanted: Iterable[str]) -> list[str]:
        """Each once and in order, without those that are an ancestor of another; of a circle the first stays."""
        distinct = list(dict.fromkeys(wanted))
        above = {tag: self.ancestors(tag) for tag in distinct}
        places = {tag: place for place, tag in enumerate(distinct)}
        return [
            tag
            for tag in distinct
            if not any(
                tag in above[other] and not (other in above[tag] and places[tag] < places[other])
                for other in distinct
            )
        ]

    def name(self, tag: str, language: str) -> str | None:
        """Its name in a language, else the international one, else None."""
        raw = self._nodes.get(tag)
        if raw is None:
            return None
        names = _decode_names(raw).name
        return names.get(language) or names.get("xx")

    def node(self, tag: str) -> Mapping[str, Any] | None:
        """The whole node, its `props` at the top level; None where there is none."""
        raw = self._nodes.get(tag)
        if raw is None:
            return None
        node: dict[str, Any] = msgspec.json.decode(raw)
        properties = node.pop("props", None)
        return node if not isinstance(properties, dict) else properties | node

    def property(self, tag: str, name: str) -> str | None:
        """The text of a property, of whichever language it is given in; None where there is none."""
        node = self.node(tag) or {}
        value = node.get(name, node.get(f"{name}:en"))
        if isinstance(value, dict):
            value = value.get("en", next(iter(value.values()), None))
        return str(value) if isinstance(value, str | int | float) and value != "" else None

    def _find(self, language: str, name: str) -> str | None:
        """The node that has this tag of a name, else of a synonym."""
        if not name:
            return None
        wanted = hash((language, name))
        row = int(self._hashes.searchsorted(wanted))
        while row < len(self._hashes) and self._hashes[row] == wanted:
            tag = self._ids[int(self._owners[row] & _NODE)]
            node = _decode(self._nodes[tag])
            # Another name may have the same hash.
            texts = (node.name.get(language, ""), *node.synonyms.get(language, ()))
            if any(tags.tag(text) == name for text in texts):
                return tag
            row += 1
        return None


def _hashes_of(node: Node) -> tuple[set[int], set[int]]:
    """What a node is found by: the hashes of the tags of its names, and of its synonyms."""
    names = {hash((language, tags.tag(name))) for language, name in node.name.items()}
    synonyms = {
        hash((language, tags.tag(synonym))) for language, texts in node.synonyms.items() for synonym in texts
    }
    return names, synonyms - names


class Taxonomies:
    """Every taxonomy of the database, as this worker last saw it: what another wrote is here `poll_s` later."""

    def __init__(self, database: Database, *, poll_s: float = 2.0) -> None:
        self._database = database
        self._poll_s = poll_s
        self._taxonomies: dict[str, Taxonomy] = {}
        self._sequences: dict[str, int] = {}
        self._lock = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None

    @property
    def is_alive(self) -> bool:
        """Whether changes of other workers are followed."""
        return self._task is not None and not self._task.done()

    async def open(self) -> None:
        """Read everything, then follow."""
        await self.read()
        self._task = asyncio.create_task(self._follow(), name="taxonomies")

    async def close(self) -> None:
        """Stop following; what is in memory stays usable."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def get(self, name: str) -> Taxonomy:
        """`categories`, `labels`, `packaging_shapes` and so on; an empty one when it was never imported."""
        return self._taxonomies.get(name, EMPTY)

    async def read(self) -> None:
        """Everything from the database again, also what was written past `put`."""
        async with self._lock:
            for row in await self._database.fetch(queries_taxonomy.NAMES):
                name = row["taxonomy"]
                # First the number, so that what is written meanwhile is only read twice.
                self._sequences[name] = await changes.current(self._database, TOPIC + name)
                rows = await self._database.fetch(queries_taxonomy.NODES, name)
                self._taxonomies[name] = await asyncio.to_thread(_updated, EMPTY, rows)

    async def put(self, name: str, nodes: Mapping[str, Mapping[str, Any]]) -> None:
        """Store nodes by id, objects without their id, in place of the ones before; effective on return."""
        async with self._database.transaction() as connection:
            await connection.execute(queries_taxonomy.PUT, name, list(nodes), list(nodes.values()))
            await changes.append(connection, TOPIC + name, nodes)
        await self.catch_up()

    async def catch_up(self) -> None:
        """Take over what any worker has written since."""
        async with self._lock:
            for row in await self._database.fetch(queries_taxonomy.SEQUENCES, TOPIC + "%"):
                name = row["topic"].removeprefix(TOPIC)
                known = self._sequences.get(name, 0)
                if row["sequence"] <= known:
                    continue
                sequence, changed = await changes.since(self._database, row["topic"], known)
                rows = await self._database.fetch(queries_taxonomy.SOME_NODES, name, changed)
                self._taxonomies[name] = await asyncio.to_thread(_updated, self.get(name), rows)
                self._sequences[name] = sequence

    async def _follow(self) -> None:
        while True:
            await asyncio.sleep(self._poll_s)
            try:
                await self.catch_up()
            except Exception:
                # Most likely the database is away: the next look comes soon enough.
                logger.warning("taxonomies could not be followed", exc_info=True)


EMPTY = Taxonomy()


def _updated(taxonomy: Taxonomy, rows: Iterable[Mapping[str, str]]) -> Taxonomy:
    # Without the blanks that jsonb puts in, a tenth smaller.
    return taxonomy.updated({row["id"]: msgspec.json.format(row["node"].encode(), indent=-1) for row in rows})
