"""Products of a product server, their copies in our table, and writes at once or later."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import asyncpg
import pytest

from server.data_folder import DataFolder
from server.db import Database
from server.insights import queries_products
from server.insights.engine.importer import Importer
from server.insights.engine.predictions import NewPrediction
from server.insights.events.events import Event, Events
from server.insights.products.edits import AddTag, Edit, SelectImage, SetField
from server.insights.products.product_opener import ProductOpener
from server.insights.products.product_server import ProductServer, ProductUnreadable
from server.insights.products.products import ImageUnknown, ProductsUnreadable, ProductWriteFailed
from server.insights.products.sealing import Sealing
from server.insights.voter import Credentials
from server.jobs import Jobs
from server.metrics import Metrics
from tests.server.insights import product_opener_server
from tests.server.insights.engine.rules.situations import Trees
from tests.server.insights.product_opener_server import ProductOpenerServer

CODE = "5411041040807"
ANN = Credentials("ann", password="hunter2")
OpenProducts = Callable[[bool], AbstractAsyncContextManager[ProductOpener]]


@pytest.fixture
async def server() -> AsyncIterator[ProductOpenerServer]:
    async with product_opener_server.serve() as fake:
        fake.products[CODE] = {
            "code": CODE,
            "labels_tags": ["en:vegan"],
            "images": {"1": {}, "front_fr": {"imgid": "1", "rev": "4"}},
        }
        yield fake


@pytest.fixture
def jobs(database: Database) -> Jobs:
    return Jobs(database, Metrics())


@pytest.fixture
def open_products(
    database: Database, server: ProductOpenerServer, jobs: Jobs, tmp_path: Path
) -> OpenProducts:
    """`async with open_products(is_later) as products:`"""

    @asynccontextmanager
    async def start(is_later: bool) -> AsyncIterator[ProductOpener]:
        sealing = Sealing(DataFolder(tmp_path))
        later = {"jobs": jobs, "sealing": sealing} if is_later else {}
        products = ProductOpener(database, ProductServer(server.url, user="robot"), **later)  # type: ignore[arg-type]
        await products.open()
        yield products
        await products.close()

    return start


async def write(database: Database, products: ProductOpener, edits: Sequence[Edit]) -> None:
    product = await products.get("off", CODE)
    assert product is not None
    async with database.transaction() as connection:
        await products.write(connection, product, edits, comment="why", credentials=ANN)


async def test_a_product_is_read_now_and_its_copy_kept_for_questions(
    database: Database, server: ProductOpenerServer, open_products: OpenProducts
) -> None:
    async with open_products(False) as products:
        assert await products.get("off", "00000001") is None
        product = await products.get("off", CODE)
        assert product is not None and dict(product.data) == server.products[CODE]
        server.products[CODE] = {"code": CODE, "quantity": "2 kg"}
        again = await products.get("off", CODE)
        assert again is not None and again.text("quantity") == "2 kg"
        row = await database.fetchrow("SELECT data->>'quantity', generic_image FROM product")
        assert row is not None and tuple(row) == ("2 kg", None)
        del server.products[CODE]
        assert await products.get("off", CODE) is None
    assert await database.fetchval("SELECT count(*) FROM product") == 0


async def test_the_copy_serves_while_the_server_does_not_answer(
    server: ProductOpenerServer, open_products: OpenProducts
) -> None:
    async with open_products(False) as products:
        server.trouble = 500
        with pytest.raises(ProductUnreadable):
            await products.get("off", CODE)
        server.trouble = None
        await products.get("off", CODE)
        server.trouble = 500
        product = await products.get("off", CODE)
    assert product is not None and product.tags("labels_tags") == ["en:vegan"]


async def test_many_products_ask_only_for_those_without_a_fresh_copy(
    server: ProductOpenerServer, open_products: OpenProducts
) -> None:
    server.products["5411041040808"] = {"code": "5411041040808"}
    async with open_products(False) as products:
        await products.get("off", CODE)
        found = await products.many("off", [CODE, "5411041040808", "00000001", CODE])
    assert sorted(found) == [CODE, "5411041040808"]
    assert sorted(server.reads) == ["00000001", CODE, "5411041040808"]


async def test_a_long_list_does_not_run_out_of_the_time_of_one_call(
    database: Database, server: ProductOpenerServer
) -> None:
    server.delay_s = 0.2
    codes = [str(code) for code in range(5411041040807, 5411041040807 + 100)]
    server.products |= {code: {"code": code} for code in codes}
    products = ProductOpener(database, ProductServer(server.url, timeout_s=2))
    await products.open()
    try:
        assert sorted(await products.many("off", codes)) == codes
    finally:
        await products.close()


async def test_of_many_those_that_cannot_be_read_are_named_when_the_others_are_read(
    server: ProductOpenerServer, open_products: OpenProducts
) -> None:
    codes = [str(code) for code in range(5411041040807, 5411041040807 + 30)]
    server.products |= {code: {"code": code} for code in codes}
    server.broken = set(codes[3:5])
    async with open_products(False) as products:
        with pytest.raises(ProductsUnreadable) as caught:
            await products.many("off", codes)
        assert caught.value.barcodes == server.broken
        readable = [code for code in codes if code not in server.broken]
        assert sorted(server.reads) == codes
        assert sorted(await products.many("off", readable)) == readable
        assert len(server.reads) == len(codes), "copies were not kept"


async def test_a_fault_of_ours_ends_the_other_reads_too(
    server: ProductOpenerServer, open_products: OpenProducts, monkeypatch: pytest.MonkeyPatch
) -> None:
    codes = [str(code) for code in range(5411041040807, 5411041040807 + 200)]
    server.delay_s = 0.05
    async with open_products(False) as products:
        monkeypatch.setattr(queries_products, "DROP_COPY", "SELECT 1 / 0, $1::text, $2::text")
        with pytest.raises(asyncpg.DivisionByZeroError):
            await products.many("off", codes)
        # What was on its way arrives.
        await asyncio.sleep(0.1)
        asked = len(server.reads)
        await asyncio.sleep(0.2)
        assert len(server.reads) == asked < len(codes)


async def test_predictions_of_a_product_that_cannot_be_read_fail_alone(
    database: Database, server: ProductOpenerServer, open_products: OpenProducts
) -> None:
    server.broken = {"5411041040808"}
    async with open_products(False) as products:
        importer = Importer(database=database, products=products, taxonomies=Trees())
        batch = [
            NewPrediction(barcode=code, type="label", value_tag=tag)
            for code, tag in ((CODE, "en:a"), ("5411041040808", "en:a"), ("00000001", "en:a"), (CODE, "en:b"))
        ]
        one, unread, missing, other = await importer.import_predictions("off", batch)
        assert unread.error == "the product could not be read, try again"
        assert missing.skipped and one.id is not None and other.id is not None
        (again,) = await importer.import_predictions("off", batch[1:2])
        assert again.error is not None
    assert await database.fetchval("SELECT count(*) FROM prediction") == 2


async def test_an_update_brings_the_copy_up_to_date_before_insights_are_computed(
    database: Database, server: ProductOpenerServer, open_products: OpenProducts, jobs: Jobs
) -> None:
    async with open_products(False) as products:
        await products.get("off", CODE)
        server.products[CODE] = {"code": CODE, "quantity": "2 kg"}
        seen = []

        async def refresh(server_type: str, barcode: str) -> None:
            seen.append((await products.many(server_type, [barcode]))[barcode].text("quantity"))

        events = Events(database=database, jobs=jobs, products=products, refresh=refresh)
        await events.handle(Event(kind="product_updated", server_type="off", barcode=CODE))
    assert seen == ["2 kg"]


async def test_a_write_is_done_before_the_decision_is_and_the_copy_follows(
    database: Database, server: ProductOpenerServer, open_products: OpenProducts
) -> None:
    async with open_products(False) as products:
        await write(database, products, [AddTag("labels", "en:organic"), SelectImage("1", "front_de")])
        assert [path for path, _, _ in server.writes] == [
            "/cgi/product_jqm2.pl", "/cgi/product_image_crop.pl"
        ]  # fmt: skip
        assert server.writes[0][1] == {
            "code": CODE, "comment": "why", "add_labels": "en:organic",
            "user_id": "ann", "password": "hunter2",
        }  # fmt: skip
        tags = await database.fetchval("SELECT data->'labels_tags' FROM product")
        assert tags == ["en:vegan", "en:organic"]
        # The server's word counts again, also for those who ask for many.
        found = await products.many("off", [CODE])
    assert found[CODE].tags("labels_tags") == ["en:vegan"]


async def test_a_failed_write_changes_nothing_of_ours(
    database: Database, server: ProductOpenerServer, open_products: OpenProducts
) -> None:
    async with open_products(False) as products:
        product = await products.get("off", CODE)
        assert product is not None
        server.trouble = 403
        with pytest.raises(ProductWriteFailed):
            async with database.transaction() as connection:
                await products.write(
                    connection, product, [SetField("quantity", "1")], comment="c", credentials=ANN
                )
        with pytest.raises(ImageUnknown):
            async with database.transaction() as connection:
                await products.write(
                    connection, product, [SelectImage("9", "front_fr")], comment="c", credentials=ANN
                )
    assert await database.fetchval("SELECT data ? 'quantity' FROM product") is False
    assert server.writes == []


async def test_a_product_can_be_read_while_a_decision_holds_its_copy(
    database: Database, open_products: OpenProducts
) -> None:
    async with open_products(False) as products:
        await products.get("off", CODE)
        async with database.transaction() as connection:
            await connection.execute("SELECT FROM product FOR UPDATE")
            async with asyncio.timeout(10):
                assert await products.get("off", CODE) is not None


async def test_a_later_write_waits_as_a_job_and_nobody_can_read_its_password(
    database: Database, server: ProductOpenerServer, open_products: OpenProducts, jobs: Jobs
) -> None:
    async with open_products(True) as products:
        server_says = server.products[CODE]
        await write(database, products, [AddTag("labels", "en:organic")])
        assert server.writes == []
        assert [(job.kind, job.status) for job in await jobs.overview()] == [("product_write", "queued")]
        payload = await database.fetchval("SELECT payload FROM pgqueuer")
        assert b"hunter2" not in payload and b"en:organic" in payload
        # Until it is done, what is read already has the edit.
        for found in (await products.get("off", CODE), (await products.many("off", [CODE]))[CODE]):
            assert found is not None and found.tags("labels_tags") == ["en:vegan", "en:organic"]
        jobs.add(products.job_kind)
        await jobs.open()
        try:
            for _ in range(300):
                if server.writes and not await jobs.overview():
                    break
                await asyncio.sleep(0.05)
        finally:
            await jobs.close()
        assert [fields["password"] for _, fields, _ in server.writes] == ["hunter2"]
        found = await products.get("off", CODE)
        assert found is not None and dict(found.data) == server_says


async def test_a_later_write_goes_with_its_decision_when_that_is_undone(
    database: Database, open_products: OpenProducts
) -> None:
    async with open_products(True) as products:
        product = await products.get("off", CODE)
        assert product is not None
        with pytest.raises(ZeroDivisionError):
            async with database.transaction() as connection:
                edits = [SetField("quantity", "1")]
                await products.write(connection, product, edits, comment="c", credentials=None)
                raise ZeroDivisionError
    assert await database.fetchval("SELECT count(*) FROM pgqueuer") == 0
    assert await database.fetchval("SELECT data ? 'quantity' FROM product") is False


async def test_a_later_write_that_fails_is_tried_again_and_then_seen_as_failed(
    database: Database, server: ProductOpenerServer, open_products: OpenProducts, jobs: Jobs
) -> None:
    async with open_products(True) as products:
        await write(database, products, [SetField("quantity", "1")])
        server.trouble = 500
        jobs.add(products.job_kind._replace(max_attempts=2, first_delay_s=0.1))
        await jobs.open()
        try:
            for _ in range(400):
                shown = [(job.kind, job.status) for job in await jobs.overview()]
                if shown == [("product_write", "failed")]:
                    break
                await asyncio.sleep(0.05)
        finally:
            await jobs.close()
    assert shown == [("product_write", "failed")]
    assert server.writes == []
