"""A decision is made, or undone, within the time its request has; what comes after it may go on."""

import asyncio
import logging
from collections.abc import Sequence
from pathlib import Path
from time import monotonic

import pytest

from server.db import Connection, Database
from server.deadline import Deadline
from server.insights import queries_annotate
from server.insights.annotation import annotate
from server.insights.annotation.annotate import Annotator, Decision
from server.insights.products.edits import Edit
from server.insights.products.local_products import LocalProducts
from server.insights.products.products import Product
from server.insights.voter import Credentials
from server.settings import Settings
from tests.server.insights import product_opener_server, rows, worker
from tests.server.insights.annotation.annotating import ANN, annotator_of, labels, state

OPEN = (None, None, None, 0)


class SlowProducts(LocalProducts):
    """Writes, and then does not come back."""

    async def write(
        self,
        connection: Connection,
        product: Product,
        edits: Sequence[Edit],
        *,
        comment: str,
        credentials: Credentials | None,
    ) -> None:
        """Write, then wait for longer than any test."""
        await super().write(connection, product, edits, comment=comment, credentials=credentials)
        await asyncio.sleep(60)


class Endless:
    """A refresh that ends when it is told to, or is cut."""

    def __init__(self) -> None:
        self.go_on = asyncio.Event()
        self.outcome = "running"

    async def __call__(self, server_type: str, barcode: str) -> None:
        try:
            await self.go_on.wait()
            self.outcome = "done"
        except asyncio.CancelledError:
            self.outcome = "cut"
            raise


async def test_a_slow_product_server_is_code_10_and_not_504(database_url: str, tmp_path: Path) -> None:
    async with product_opener_server.serve() as server:
        settings = Settings(product_opener_url=server.url, fetch_allow_private=True)
        async with worker.start(database_url, tmp_path, settings=settings) as started:
            server.trouble = "slow"
            insight = await rows.add_insight(started.database)
            answer = await started.http.post(
                "/api/v1/insights/annotate",
                data={"insight_id": str(insight), "annotation": "1"},
                auth=("ann", "secret"),
                headers={"X-Request-Timeout-S": "1.5"},
            )
            assert (answer.status_code, answer.json()["status_code"]) == (200, 10)
            assert await state(started.database, insight) == OPEN


async def test_what_takes_too_long_is_undone(database: Database, caplog: pytest.LogCaptureFixture) -> None:
    annotator, refreshes = annotator_of(database, SlowProducts(database))
    await rows.add_product(database)
    insight = await rows.add_insight(database, type="label", value_tag="en:organic")
    with caplog.at_level(logging.WARNING):
        answer = await annotator.annotate(insight, 1, True, None, ANN, Deadline.after(0.6))
    assert answer.status_code == 10 and "decision took too long" in caplog.text
    assert (await state(database, insight), await labels(database), refreshes) == (OPEN, [], [])


async def test_waiting_for_others_counts(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    annotator, _ = annotator_of(database)
    await rows.add_product(database)
    insight = await rows.add_insight(database, type="label", value_tag="en:organic")
    async with database.transaction() as other:
        await other.execute(queries_annotate.LOCK_PRODUCT, insight)
        for deadline in (Deadline.after(0.5), None):
            begun = monotonic()
            assert (await annotator.decide(insight, Decision(1), deadline)).status_code == 10
            assert monotonic() - begun < 5
            # Without a request it has a limit too.
            monkeypatch.setattr(annotate, "DECISION_TIMEOUT_S", 0.3)
    monkeypatch.undo()
    assert (await annotator.decide(insight, Decision(1), Deadline.after(30))).status_code == 2


async def test_a_slow_refresh_holds_up_no_answer_and_goes_on(database: Database) -> None:
    refresh = Endless()
    annotator = Annotator(database, LocalProducts(database), refresh)
    insight = await rows.add_insight(database)
    begun = monotonic()
    answer = await annotator.annotate(insight, 0, True, None, ANN, Deadline.after(1))
    assert answer.status_code == 1 and monotonic() - begun < 1
    assert refresh.outcome == "running"
    refresh.go_on.set()
    await annotator.close()
    assert refresh.outcome == "done"


async def test_closing_cuts_a_refresh_that_does_not_end(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(annotate, "CLOSE_S", 0.05)
    refresh = Endless()
    annotator = Annotator(database, LocalProducts(database), refresh)
    insight = await rows.add_insight(database)
    await annotator.annotate(insight, 0, True, None, ANN, Deadline.after(0.5))
    await annotator.close()
    assert refresh.outcome == "cut"
