"""Transactions: what happens when writers meet, and what replicas are told."""

import asyncio
from typing import Any

import asyncpg
import pytest

from server import changes, errors
from server.search import queries
from server.search.catalog import Catalog, ItemValues, Quotas, page, topic
from server.search.disposal import Disposal
from tests.server.search import pictures
from tests.server.search.conftest import StartWorker
from tests.server.search.worker import Tenant, Worker


@pytest.fixture
def catalog(worker: Worker) -> Catalog:
    disposal = Disposal(worker.database, worker.blobs, worker.jobs)
    return Catalog(worker.database, Quotas(), disposal)


async def told(worker: Worker, collection: str) -> tuple[int, list[str]]:
    return await changes.since(worker.database, topic(collection), 0)


async def test_every_write_that_a_search_could_see_is_told_to_the_replicas(
    worker: Worker, tenant: Tenant
) -> None:
    collection, _ = await tenant.shelf()
    uuid = collection["uuid"]
    assert await told(worker, uuid) == (0, [])
    item = await tenant.make("item", name="A", collection=uuid)
    assert await told(worker, uuid) == (1, [f"item:{item['uuid']}"])
    image = await tenant.upload(item, pictures.jpeg(pictures.print_of(1)))
    assert await told(worker, uuid) == (2, [f"item:{item['uuid']}", f"image:{image['uuid']}"])
    await tenant.ask("PUT", f"item/{item['uuid']}/", json={"name": "B"})
    assert await told(worker, uuid) == (3, [f"image:{image['uuid']}", f"item:{item['uuid']}"])
    await tenant.ask("DELETE", f"image/{image['uuid']}/")
    assert (await told(worker, uuid))[0] == 4
    await tenant.ask("DELETE", f"collection/{uuid}/")
    assert await told(worker, uuid) == (0, [])


async def test_a_refused_write_is_told_to_nobody(worker: Worker, tenant: Tenant) -> None:
    collection, _ = await tenant.shelf()
    fields = {"name": "A", "collection": collection["uuid"], "tags": ["0" * 32]}
    assert (await tenant.ask("POST", "item/", json=fields)).status_code == 400
    assert await told(worker, collection["uuid"]) == (0, [])


async def test_two_names_at_once_make_one_collection(tenant: Tenant) -> None:
    answers = await asyncio.gather(*(tenant.ask("POST", "collection/", json={"name": "A"}) for _ in range(5)))
    assert sorted(answer.status_code for answer in answers) == [201, 400, 400, 400, 400]


async def test_quotas_hold_however_many_write_at_once(start_worker: StartWorker) -> None:
    async with start_worker(quotas=Quotas(collections=2, items=2, images=2)) as worker:
        tenant = await worker.tenant()

        async def made(resource: str, number: int, **fields: Any) -> int:
            answer = await tenant.ask("POST", f"{resource}/", json={"name": f"{number}", **fields})
            return answer.status_code

        codes = await asyncio.gather(*(made("collection", number) for number in range(5)))
        assert codes.count(201) == 2
        collection = (await tenant.ask("GET", "collection/")).json()["objects"][0]
        uri = collection["resource_uri"]
        codes = await asyncio.gather(*(made("item", number, collection=uri) for number in range(5)))
        assert codes.count(201) == 2
        items = (await tenant.ask("GET", "item/")).json()["objects"]
        data = pictures.jpeg(pictures.print_of(1))
        uploads = [
            tenant.ask("POST", "image/", data={"item": items[number % 2]["uuid"]}, files={"file": data})
            for number in range(5)
        ]
        codes = [answer.status_code for answer in await asyncio.gather(*uploads)]
        assert codes.count(201) == 2 and codes.count(403) == 3


async def test_an_item_and_the_deletion_of_its_collection_at_once_leave_nothing_behind(
    worker: Worker, tenant: Tenant
) -> None:
    for round_number in range(5):
        collection, _ = await tenant.shelf(f"C{round_number}")
        item = await tenant.make("item", name="A", collection=collection["uuid"])
        data = pictures.jpeg(pictures.print_of(1, 150, 150))
        answers = await asyncio.gather(
            tenant.ask("POST", "image/", data={"item": item["uuid"]}, files={"file": data}),
            tenant.ask("POST", "item/", json={"name": "B", "collection": collection["uuid"]}),
            tenant.ask("POST", "token/", json={"collection": collection["uuid"]}),
            tenant.ask("POST", "tag/", json={"name": "red", "collection": collection["uuid"]}),
            tenant.ask("PUT", f"item/{item['uuid']}/", json={"name": "C"}),
            tenant.ask("DELETE", f"collection/{collection['uuid']}/"),
        )
        assert {answer.status_code for answer in answers} <= {200, 201, 204, 400, 404}
        assert answers[-1].status_code == 204
        for table in ("search_item", "search_image", "search_features", "search_token", "search_tag"):
            assert await worker.database.fetchval(f"SELECT count(*) FROM {table}") == 0
        assert await told(worker, collection["uuid"]) == (0, [])


async def test_a_tag_that_is_deleted_while_it_is_given_is_on_nothing(tenant: Tenant) -> None:
    collection, token = await tenant.shelf()
    item = await tenant.make("item", name="A", collection=collection["uuid"])
    for number in range(5):
        tag = await tenant.make("tag", name=f"t{number}", collection=collection["uuid"])
        tags = {"tags": [tag["uuid"]]}
        await asyncio.gather(
            tenant.ask("PUT", f"item/{item['uuid']}/", json=tags),
            tenant.ask("PUT", f"token/{token}/", json=tags),
            tenant.ask("DELETE", f"tag/{tag['uuid']}/"),
        )
        for path in (f"item/{item['uuid']}/", f"token/{token}/"):
            assert (await tenant.ask("GET", path)).json()["tags"] == []


async def test_only_one_of_two_images_at_once_reaches_a_trackable_item(tenant: Tenant) -> None:
    collection, _ = await tenant.shelf()
    item = await tenant.make("item", name="A", collection=collection["uuid"], trackable=True)
    data = pictures.jpeg(pictures.print_of(1))
    form = {"data": {"item": item["uuid"]}, "files": {"file": data}}
    answers = await asyncio.gather(*(tenant.ask("POST", "image/", **form) for _ in range(3)))
    assert sorted(answer.status_code for answer in answers) == [201, 403, 403]


async def test_an_image_and_its_features_are_written_together_or_not_at_all(
    worker: Worker, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    collection, token = await tenant.shelf()
    item = await tenant.make("item", name="A", collection=collection["uuid"])
    data = pictures.jpeg(pictures.print_of(1))
    monkeypatch.setattr(queries, "ADD_FEATURES", queries.ADD_FEATURES.replace("$4", "$4 / 0"))
    form = {"data": {"item": item["uuid"]}, "files": {"file": data}}
    assert (await tenant.ask("POST", "image/", **form)).status_code == 500
    assert await worker.database.fetchval("SELECT count(*) FROM search_image") == 0
    assert await tenant.found(token, data) == []


async def test_the_catalog_says_not_found_for_what_another_tenant_has(
    catalog: Catalog, tenant: Tenant
) -> None:
    collection, _ = await tenant.shelf()
    item = await tenant.make("item", name="A", collection=collection["uuid"])
    for work in (
        catalog.collection("nobody", collection["uuid"]),
        catalog.change_collection("nobody", collection["uuid"], "B", None),
        catalog.drop_collection("nobody", collection["uuid"]),
        catalog.item("nobody", item["uuid"]),
        catalog.change_item("nobody", item["uuid"], ItemValues(name="B")),
        catalog.drop_item("nobody", item["uuid"]),
    ):
        with pytest.raises(errors.NotFound):
            await work


async def test_an_empty_page_still_knows_the_total(worker: Worker, tenant: Tenant) -> None:
    await tenant.make("collection", name="A")
    rows: list[asyncpg.Record] = await worker.database.fetch(
        queries.LIST_COLLECTIONS, tenant.id, None, None, "created", 10, 5
    )
    assert page(rows) == ([], 1)
