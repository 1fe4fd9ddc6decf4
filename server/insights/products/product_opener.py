"""Products of a product server; our table keeps a copy of what was read, for questions."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import msgspec

from server import errors
from server.insights import queries_products
from server.insights.products import product_edits, product_lines
from server.insights.products.edits import AddPackaging, AddTag, SelectImage, SetField
from server.insights.products.product_calls import Call, calls
from server.insights.products.product_server import CONNECTIONS, ProductUnreadable
from server.insights.products.products import ImageUnknown, Product, ProductsUnreadable
from server.jobs import JobKind

if TYPE_CHECKING:
    from server.db import Connection, Database
    from server.insights.products.edits import Edit
    from server.insights.products.product_server import ProductServer
    from server.insights.products.sealing import Sealing
    from server.insights.voter import Credentials
    from server.jobs import Jobs

logger = logging.getLogger(__name__)

JOB = "product_write"
# A copy that is no older serves where many products are asked for at once.
FRESH = timedelta(hours=1)
# So long a copy with unsent edits stands over what the server says; by then the write was done or given up.
PENDING = timedelta(hours=2)


class LaterWrite(msgspec.Struct, frozen=True, kw_only=True):
    """The payload of a job: what to call, and as whom."""

    server_type: str
    barcode: str
    calls: list[Call]
    sealed: str | None
    # Of the copy's unsent edits; a later write leaves another mark.
    mark: str


class ProductOpener:
    """A `Products` on a product server.

    Reads ask the server; when it does not answer, the copy is used if there is one, else `ProductUnreadable`.
    With `jobs` and `sealing` a write is queued within the caller's transaction and done later, again and again
    until it succeeds; until then our copy, edited at once, is what is read.
    """

    def __init__(
        self,
        database: Database,
        server: ProductServer,
        *,
        jobs: Jobs | None = None,
        sealing: Sealing | None = None,
    ) -> None:
        self._database = database
        self._server = server
        self._jobs = jobs
        self._sealing = sealing
        self.job_kind = JobKind(JOB, self._run)

    async def open(self) -> None:
        """Be ready to call."""
        await self._server.open()
        if self._sealing is not None:
            await self._sealing.open()

    async def close(self) -> None:
        """Close every connection."""
        await self._server.close()

    async def get(self, server_type: str, barcode: str) -> Product | None:
        """One product as the server has it now, and as it will be when queued writes are done."""
        copy = await self._database.fetchrow(queries_products.COPY, server_type, barcode, FRESH)
        if copy is not None and copy["is_pending"]:
            return Product(server_type, barcode, copy["data"])
        return await self._read(server_type, barcode, None if copy is None else copy["data"])

    async def many(self, server_type: str, wanted: Sequence[str]) -> dict[str, Product]:
        """The products of these barcodes that exist; copies that are fresh spare the server.

        `ProductsUnreadable` comes after all were tried: a second call finds copies of those that were read.
        """
        rows = await self._database.fetch(queries_products.COPIES, server_type, list(set(wanted)), FRESH)
        copies = {row["barcode"]: row for row in rows}
        found = {
            barcode: Product(server_type, barcode, row["data"])
            for barcode, row in copies.items()
            if row["is_pending"] or row["is_fresh"]
        }
        stale = [barcode for barcode in dict.fromkeys(wanted) if barcode not in found]
        # As many at once as there are connections: waiting for one would count as waiting for the server.
        turns = asyncio.Semaphore(CONNECTIONS)
        unreadable: set[str] = set()

        async def read_in_turn(barcode: str) -> None:
            async with turns:
                copy = copies[barcode]["data"] if barcode in copies else None
                try:
                    product = await self._read(server_type, barcode, copy)
                except ProductUnreadable as fault:
                    logger.warning("product not read", extra={"barcode": barcode, "reason": str(fault)})
                    unreadable.add(barcode)
                    return
            if product is not None:
                found[barcode] = product

        try:
            async with asyncio.TaskGroup() as group:
                for barcode in stale:
                    group.create_task(read_in_turn(barcode))
        except ExceptionGroup as faults:
            # The database is away, say: the first fault is what callers know how to take.
            raise faults.exceptions[0] from faults
        if unreadable:
            raise ProductsUnreadable(frozenset(unreadable))
        return found

    async def write(
        self,
        connection: Connection,
        product: Product,
        edits: Sequence[Edit],
        *,
        comment: str,
        credentials: Credentials | None,
    ) -> None:
        """Do all edits, or queue them; what was done before a call failed stays done on the server."""
        for edit in edits:
            if isinstance(edit, SelectImage) and edit.image_id not in product.images:
                raise ImageUnknown(edit.image_id)
        wanted = calls(product.barcode, edits, comment)
        mark = None
        if self._jobs is not None and self._sealing is not None:
            mark = uuid4().hex
            later = LaterWrite(
                server_type=product.server_type,
                barcode=product.barcode,
                calls=wanted,
                sealed=self._sealing.seal(credentials),
                mark=mark,
            )
            await self._jobs.enqueue(connection, JOB, msgspec.to_builtins(later))
        else:
            for call in wanted:
                await self._server.write(product.server_type, call, credentials)
        await self._edit_copy(connection, product, edits, mark)

    async def _run(self, payload: dict[str, Any]) -> None:
        """The job: every call, and then the server's word counts again."""
        assert self._sealing is not None, "jobs are only made with it"
        later = msgspec.convert(payload, LaterWrite)
        credentials = self._sealing.unseal(later.sealed)
        for call in later.calls:
            await self._server.write(later.server_type, call, credentials)
        await self._database.execute(queries_products.SENT, later.server_type, later.barcode, later.mark)

    async def _edit_copy(
        self, connection: Connection, product: Product, edits: Sequence[Edit], mark: str | None
    ) -> None:
        """Texts and tags at once; what becomes of pictures only the server knows."""
        data = await connection.fetchval(queries_products.LOCK, product.server_type, product.barcode)
        if data is None:
            return
        known = [edit for edit in edits if isinstance(edit, SetField | AddTag | AddPackaging)]
        changed = product_edits.edited(data, known)
        await connection.execute(
            queries_products.EDIT_COPY, product.server_type, product.barcode, changed, mark, PENDING
        )

    async def _read(self, server_type: str, barcode: str, copy: dict[str, Any] | None) -> Product | None:
        try:
            data = await self._server.read(server_type, barcode)
        except ProductUnreadable as fault:
            if copy is None:
                raise
            logger.warning("product not read, the copy is used", extra={"reason": str(fault)})
            return Product(server_type, barcode, copy)
        if data is None:
            await self._database.execute(queries_products.DROP_COPY, server_type, barcode)
            return None
        return await self._keep(server_type, barcode, data)

    async def _keep(self, server_type: str, barcode: str, data: dict[str, Any]) -> Product:
        """The product with its copy brought up to date, unless somebody holds that just now."""
        try:
            row = await asyncio.to_thread(
                product_lines.stored, data, server_type=server_type, barcode=barcode
            )
        except errors.BadRequest as fault:
            raise ProductUnreadable(f"the product cannot be kept: {fault.message}") from fault
        async with self._database.transaction() as connection:
            if not await connection.fetchval(queries_products.IS_HELD, server_type, barcode):
                await connection.execute(queries_products.PUT_MANY, *([value] for value in row))
        return Product(server_type, barcode, msgspec.json.decode(row.data))
