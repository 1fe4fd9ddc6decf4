"""The insights of many products worked out within one transaction: read, decide, write (contract 4.4)."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import asyncpg

from server.insights import lines, queries_importer
from server.insights.annotation import boxes
from server.insights.engine import recompute
from server.insights.engine.brand_prefixes import BrandPrefixes
from server.insights.engine.candidates import Known, ordered_predictions
from server.insights.engine.predictions import Prediction
from server.insights.engine.rules import brand, nutrition_image
from server.insights.engine.rules.rule import Detected, Rule, Situation, number

if TYPE_CHECKING:
    from server.db import Connection
    from server.insights.engine.rules.rule import Trees
    from server.insights.products.products import Product


class _Decided(NamedTuple):
    """Rows to insert, rows to write again, and what goes."""

    created: list[dict[str, Any]]
    updated: list[dict[str, Any]]
    deleted: list[Known]


class _Around(NamedTuple):
    """What rules look at besides predictions, by barcode."""

    sizes: dict[str, dict[str, tuple[int, int]]]
    tables: dict[str, dict[str, list[Detected]]]
    foreign: set[tuple[str, str]]


class Refreshing:
    """Works out insights; the caller holds the locks of the products."""

    def __init__(self, taxonomies: Trees, automatic_delay_s: float) -> None:
        self._taxonomies = taxonomies
        self._automatic_delay_s = automatic_delay_s
        self._prefixes = BrandPrefixes()

    def inputs_of(self, types: Collection[str]) -> set[str]:
        """These types, and those that their rules look at besides."""
        return set(types).union(*(rule.inputs for rule in recompute.rules_of(types)))

    async def refresh(
        self,
        connection: Connection,
        server_type: str,
        products: Mapping[str, Product] | None,
        predictions: Mapping[str, Sequence[Prediction]],
        types: Mapping[str, Collection[str]],
    ) -> None:
        """Work out, for each product, the types whose required predictions are all among `types`.

        `predictions` are all stored ones of those types and of what their rules look at; `products` is None
        where nothing may be asked of them.
        """
        rules = {barcode: found for barcode, wanted in types.items() if (found := recompute.rules_of(wanted))}
        if not rules:
            return
        known = await _known(connection, server_type, rules)
        around = await self._around(connection, server_type, rules, predictions)
        # Thousands of candidates take longer than the event loop may stand still.
        decided = await asyncio.to_thread(
            self._decide, server_type, products, predictions, rules, known, around
        )
        if decided.deleted:
            gone = [insight.id for insight in decided.deleted]
            await connection.execute(queries_importer.DELETE_INSIGHTS, gone)
        if decided.updated:
            await connection.execute(queries_importer.CHANGE_INSIGHTS, decided.updated)
        if decided.created:
            await connection.execute(queries_importer.ADD_INSIGHTS, decided.created)

    def _decide(
        self,
        server_type: str,
        products: Mapping[str, Product] | None,
        predictions: Mapping[str, Sequence[Prediction]],
        rules: Mapping[str, Sequence[Rule]],
        known: Mapping[tuple[str, str], Sequence[Known]],
        around: _Around,
    ) -> _Decided:
        """No database from here on."""
        decided = _Decided([], [], [])
        now, delay_s = lines.now(), self._automatic_delay_s
        for barcode, those in rules.items():
            product = None if products is None else products.get(barcode)
            is_gone = products is not None and product is None
            situation = self._situation(barcode, product, predictions[barcode], around)
            for rule in those:
                stored = known.get((barcode, rule.type), ())
                walk = recompute.gone(stored) if is_gone else recompute.worked_out(rule, situation, stored)
                decided.deleted.extend(walk.deleted)
                for candidate in walk.created:
                    decided.created.append(
                        recompute.columns_of(rule.type, candidate, situation, server_type, now, delay_s)
                    )
                for candidate, insight in walk.updated:
                    row = recompute.columns_of(rule.type, candidate, situation, server_type, now, delay_s)
                    if recompute.is_changed(row, insight):
                        decided.updated.append({**row, "id": str(insight.id), "n_votes": insight.votes})
        return decided

    def _situation(
        self,
        barcode: str,
        product: Product | None,
        predictions: Sequence[Prediction],
        around: _Around,
    ) -> Situation:
        by_type: dict[str, list[Prediction]] = {}
        for prediction in ordered_predictions(predictions):
            by_type.setdefault(prediction.type, []).append(prediction)
        return Situation(
            barcode,
            product,
            by_type,
            self._taxonomies,
            around.sizes.get(barcode, {}),
            around.tables.get(barcode, {}),
            frozenset(tag for of, tag in around.foreign if of == barcode) if around.foreign else frozenset(),
        )

    async def _around(
        self,
        connection: Connection,
        server_type: str,
        rules: Mapping[str, Sequence[Rule]],
        predictions: Mapping[str, Sequence[Prediction]],
    ) -> _Around:
        """Asks only for what these predictions need."""
        around = _Around({}, {}, set())
        boxed = [barcode for barcode in rules if any(_has_box(one) for one in predictions[barcode])]
        if boxed:
            for row in await connection.fetch(queries_importer.SIZES, server_type, boxed):
                sizes = around.sizes.setdefault(row["barcode"], {})
                sizes[row["image_id"]] = row["width"], row["height"]
        pictured = [barcode for barcode, those in rules.items() if nutrition_image.RULE in those]
        if pictured:
            for row in await connection.fetch(queries_importer.TABLES, server_type, pictured):
                tables = around.tables.setdefault(row["barcode"], {})
                tables.setdefault(row["source_image"], []).extend(_detected(row["objects"]))
        pairs = {
            (barcode, prediction.value_tag)
            for barcode, those in rules.items()
            if brand.RULE in those
            for prediction in predictions[barcode]
            if prediction.type == "brand" and prediction.value_tag and brand.is_read_in_text(prediction)
        }
        if pairs:
            around.foreign.update(await self._prefixes.foreign(connection, server_type, sorted(pairs)))
        return around


def prediction_of(row: asyncpg.Record) -> Prediction:
    """A row of `PREDICTIONS`."""
    return Prediction(*row)


async def _known(
    connection: Connection, server_type: str, rules: Mapping[str, Sequence[Rule]]
) -> dict[tuple[str, str], list[Known]]:
    """The stored insights by barcode and type, locked."""
    types = sorted({rule.type for those in rules.values() for rule in those})
    rows = await connection.fetch(queries_importer.INSIGHTS, server_type, list(rules), types)
    opened = [row["id"] for row in rows if row["annotation"] is None]
    counts = await connection.fetch(queries_importer.VOTES, opened) if opened else []
    votes = {row["insight_id"]: row["votes"] for row in counts}
    found: dict[tuple[str, str], list[Known]] = {}
    for row in rows:
        insight = Known(
            row["id"],
            row["annotation"],
            row["automatic_processing"],
            row["value_tag"],
            row["value"],
            row["source_image"],
            row["data"],
            votes.get(row["id"], 0),
            row,
        )
        found.setdefault((row["barcode"], row["type"]), []).append(insight)
    return found


def _has_box(prediction: Prediction) -> bool:
    data = prediction.data
    return "bounding_box_absolute" in data or "bounding_box" in data or "mentions" in data


def _detected(objects: object) -> list[Detected]:
    """The objects of a stored detection that have a box."""
    return [
        Detected(number(one.get("score")), box)
        for one in (objects if isinstance(objects, list) else [])
        if isinstance(one, dict) and (box := boxes.relative(one.get("bounding_box"))) is not None
    ]
