"""Import and export of taxonomies, one node per line (contract 2.10, 10.10)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Annotated, Any

import asyncpg
import msgspec

from server.db import Database
from server.insights import lines, queries_taxonomy
from server.insights.taxonomy import Node, Taxonomies
from server.transfer import Kind, Line, Result

Identity = Annotated[str, msgspec.Meta(min_length=1, max_length=500)]
TaxonomyName = Annotated[str, msgspec.Meta(pattern="^[a-z][a-z0-9_-]{0,63}$")]


class NodeLine(Node, frozen=True, kw_only=True):
    """What a line must have to be of use; all else is a property."""

    id: Identity
    taxonomy: TaxonomyName


def kinds(database: Database, taxonomies: Taxonomies) -> tuple[Kind, ...]:
    """`taxonomies?name=categories`; without the name each line has its `taxonomy`."""

    async def import_nodes(batch: Sequence[Line], options: Mapping[str, str]) -> Sequence[Result]:
        # The name of the request stands over that of a line, which an export of everything has.
        named = {"taxonomy": options["name"]} if options.get("name") else {}
        whole = [line._replace(value=line.value | named) for line in batch]
        nodes: dict[str, dict[str, dict[str, Any]]] = {}
        results = []
        for line, typed in zip(whole, lines.typed(whole, NodeLine), strict=True):
            if isinstance(typed, Result):
                results.append(typed)
                continue
            node = {key: value for key, value in line.value.items() if key not in ("id", "taxonomy")}
            nodes.setdefault(typed.taxonomy, {})[typed.id] = node
            results.append(Result(id=typed.id))
        with lines.refused():
            for name, some in nodes.items():
                await taxonomies.put(name, some)
        return results

    def export_nodes(options: Mapping[str, str]) -> AsyncIterator[Any]:
        if options.get("name"):
            return lines.export(database, queries_taxonomy.EXPORT, options["name"], line=_shown)
        return lines.export(database, queries_taxonomy.EXPORT_ALL, line=_shown)

    return (Kind("taxonomies", import_nodes, export_nodes, batch_lines=2000),)


def _shown(row: asyncpg.Record) -> dict[str, Any]:
    """A node as import takes it."""
    line = dict(row)
    node: dict[str, Any] = line.pop("node")
    return line | node
