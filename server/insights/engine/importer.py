"""Predictions in, insights out: many products at a time, each by one at a time (contract 4.3, 4.4).

`import_predictions` stores a batch and works out the insights that depend on it; `refresh` works them out again
because the product has changed. Both read all they need with a few statements, decide in `replacement` and
`recompute`, and write with a few statements, in one transaction.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

import asyncpg

from server.insights import lines, queries_importer
from server.insights.engine.predictions import NewPrediction, Prediction
from server.insights.engine.recompute import has_image
from server.insights.engine.refreshing import Refreshing, prediction_of
from server.insights.engine.replacement import Replacement, replaced
from server.insights.products.products import ProductsUnreadable

if TYPE_CHECKING:
    from server.db import Connection, Database
    from server.insights.engine.rules.rule import Trees
    from server.insights.products.products import Product, Products

logger = logging.getLogger(__name__)

# Each holds a connection and asks the product store for another: more would starve the pool.
CONCURRENT = 3
# The product is being worked on elsewhere, and was not free within the patience of the statement.
BUSY = (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError)


class Outcome(NamedTuple):
    """What became of a prediction: stored under `id`, or `skipped` as not needed, or `error` says why it failed."""

    id: int | None = None
    skipped: bool = False
    error: str | None = None


class Importer:
    """The only writer of predictions, and of insights that come from them.

    Without `product_checks` products count as unknown, and what is said of them is believed. Automatic insights
    wait `automatic_delay_s` before they are applied. A product that is worked on elsewhere is waited for
    `patience_s`.
    """

    def __init__(
        self,
        *,
        database: Database,
        products: Products,
        taxonomies: Trees,
        product_checks: bool = True,
        automatic_delay_s: float = 600.0,
        patience_s: float = 10.0,
    ) -> None:
        self._database = database
        self._products = products
        self._checks = product_checks
        self._refreshing = Refreshing(taxonomies, automatic_delay_s)
        self._patience = f"{patience_s:.3f}s"
        self._turns = asyncio.Semaphore(CONCURRENT)

    async def import_predictions(self, server_type: str, batch: Sequence[NewPrediction]) -> list[Outcome]:
        """Store a batch, any products mixed, and finish the insights; one outcome per prediction, in order."""
        if not batch:
            return []
        async with self._turns:
            try:
                return await self._import_readable(server_type, batch)
            except BUSY:
                pass
            # Somebody works on one of the products: the others need not wait for it.
            outcomes: dict[int, Outcome] = {}
            for places in _by_barcode(batch).values():
                try:
                    done = await self._import_readable(server_type, [batch[place] for place in places])
                except BUSY:
                    done = [Outcome(error="the product is being worked on, try again")] * len(places)
                outcomes.update(zip(places, done, strict=True))
        return [outcomes[place] for place in range(len(batch))]

    async def store_rows(self, server_type: str, batch: Sequence[NewPrediction]) -> list[Outcome]:
        """Store predictions as they are; nothing is compared with them, and nothing follows from them."""
        async with self._database.transaction() as connection:
            return [Outcome(identity) for identity in await _insert(connection, server_type, batch)]

    async def refresh(self, server_type: str, barcode: str) -> None:
        """Work out all insights of a product anew, of every type that has predictions.

        Insights of other types were put there by hand, and stay as they are. Gives up when the product is being
        worked on for longer: who does that works them out too.
        """
        async with self._turns:
            try:
                async with self._database.transaction() as connection:
                    await self._lock(connection, server_type, [barcode])
                    rows = await connection.fetch(queries_importer.ALL_PREDICTIONS, server_type, barcode)
                    predictions = [prediction_of(row) for row in rows]
                    if not predictions:
                        return
                    products = await self._products_of(server_type, [barcode])
                    types = {prediction.type for prediction in predictions}
                    await self._refreshing.refresh(
                        connection, server_type, products, {barcode: predictions}, {barcode: types}
                    )
            except BUSY:
                logger.warning("insights of a busy product were not refreshed", extra={"barcode": barcode})

    async def _import_readable(self, server_type: str, batch: Sequence[NewPrediction]) -> list[Outcome]:
        """All but those of products that nobody can tell about."""
        unreadable: frozenset[str] = frozenset()
        while True:
            readable = [new for new in batch if new.barcode not in unreadable]
            try:
                done = iter(await self._import(server_type, readable) if readable else [])
            except ProductsUnreadable as fault:
                unreadable |= fault.barcodes
                continue
            failed = Outcome(error="the product could not be read, try again")
            return [failed if new.barcode in unreadable else next(done) for new in batch]

    async def _import(self, server_type: str, batch: Sequence[NewPrediction]) -> list[Outcome]:
        by_barcode = _by_barcode(batch)
        async with self._database.transaction() as connection:
            await self._lock(connection, server_type, list(by_barcode))
            products = await self._products_of(server_type, list(by_barcode))
            outcomes = [Outcome(skipped=True)] * len(batch)
            wanted = {
                barcode: kept
                for barcode, places in by_barcode.items()
                if (kept := [place for place in places if _is_wanted(batch[place], products)])
            }
            if not wanted:
                return outcomes
            types = {barcode: {batch[place].type for place in places} for barcode, places in wanted.items()}
            stored = await self._stored(connection, server_type, types)
            done = await asyncio.to_thread(_replaced, batch, wanted, stored)
            added = [wanted[barcode][place] for barcode, change in done.items() for place in change.added]
            deleted = [old.id for change in done.values() for old in change.deleted]
            if deleted:
                await connection.execute(queries_importer.DELETE_PREDICTIONS, deleted)
            ids = await _insert(connection, server_type, [batch[place] for place in added])
            predictions = {barcode: change.kept for barcode, change in done.items()}
            for place, identity in zip(added, ids, strict=True):
                outcomes[place] = Outcome(identity)
                predictions[batch[place].barcode].append(_as_stored(batch[place], identity))
            await self._refreshing.refresh(connection, server_type, products, predictions, types)
        return outcomes

    async def _lock(self, connection: Connection, server_type: str, barcodes: Sequence[str]) -> None:
        await connection.execute(queries_importer.PATIENCE, self._patience)
        await connection.execute(queries_importer.LOCK, server_type, barcodes)

    async def _products_of(self, server_type: str, barcodes: Sequence[str]) -> dict[str, Product] | None:
        """The products that exist; None where nothing may be asked of products."""
        return await self._products.many(server_type, barcodes) if self._checks else None

    async def _stored(
        self, connection: Connection, server_type: str, types: Mapping[str, set[str]]
    ) -> dict[str, list[Prediction]]:
        """The stored predictions of the batch's products: of its types, and of those that rules look at besides."""
        wanted = set().union(*types.values())
        rows = await connection.fetch(
            queries_importer.PREDICTIONS, server_type, list(types), sorted(self._refreshing.inputs_of(wanted))
        )
        found: dict[str, list[Prediction]] = {}
        for row in rows:
            found.setdefault(row["barcode"], []).append(prediction_of(row))
        return found


def _replaced(
    batch: Sequence[NewPrediction],
    wanted: Mapping[str, Sequence[int]],
    stored: Mapping[str, Sequence[Prediction]],
) -> dict[str, Replacement]:
    """For each product, of the places in the batch that are its own."""
    return {
        barcode: replaced([batch[place] for place in places], stored.get(barcode, ()))
        for barcode, places in wanted.items()
    }


async def _insert(connection: Connection, server_type: str, added: Sequence[NewPrediction]) -> list[int]:
    """The ids that they got."""
    ids = await _ids_for(connection, added)
    now = lines.now()
    await connection.copy_records_to_table(
        "prediction",
        columns=queries_importer.PREDICTION_COLUMNS,
        records=[_record(server_type, new, identity, now) for new, identity in zip(added, ids, strict=True)],
    )
    return ids


async def _ids_for(connection: Connection, added: Sequence[NewPrediction]) -> list[int]:
    """An id for each: its own where that is free, else the next one."""
    given = {new.id for new in added if new.id is not None}
    free = given
    if given:
        rows = await connection.fetch(queries_importer.TAKEN_IDS, list(given))
        free = given - {row["id"] for row in rows}
        await connection.fetchval(queries_importer.SKIP_USED_IDS, max(given))
    ids: list[int | None] = []
    for new in added:
        is_free = new.id in free
        ids.append(new.id if is_free else None)
        free.discard(new.id)
    rows = await connection.fetch(queries_importer.NEW_IDS, ids.count(None))
    coming = iter(row["id"] for row in rows)
    return [next(coming) if identity is None else identity for identity in ids]


def _by_barcode(batch: Sequence[NewPrediction]) -> dict[str, list[int]]:
    """The places in the batch of each product."""
    places: dict[str, list[int]] = {}
    for place, new in enumerate(batch):
        places.setdefault(new.barcode, []).append(place)
    return places


def _is_wanted(new: NewPrediction, products: Mapping[str, Product] | None) -> bool:
    """Whether it is of a product that exists, and of an image that this has (contract 4.3.1)."""
    if products is None:
        return True
    product = products.get(new.barcode)
    return product is not None and has_image(product, new.source_image)


def _as_stored(new: NewPrediction, identity: int) -> Prediction:
    return Prediction(
        identity,
        new.barcode,
        new.type,
        new.data,
        new.value_tag,
        new.value,
        new.source_image,
        new.automatic_processing,
        new.predictor,
        new.predictor_version,
        new.confidence,
    )


def _record(server_type: str, new: NewPrediction, identity: int, now: datetime) -> tuple[Any, ...]:
    return (
        identity,
        new.barcode,
        new.type,
        new.data,
        new.timestamp or now,
        new.value_tag,
        new.value,
        new.source_image,
        new.automatic_processing,
        new.predictor,
        new.predictor_version,
        new.confidence,
        server_type,
    )
