"""Blobs go when no image names them any more, and never before."""

from typing import Any

import msgspec
import pytest

from server.blobs import name_of
from server.search import disposal
from server.search.catalog import Quotas
from tests.server.search import pictures
from tests.server.search.conftest import StartWorker
from tests.server.search.worker import Tenant, Worker

ONE, TWO = (pictures.jpeg(pictures.print_of(seed)) for seed in (1, 2))


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blobs may be removed however young they are."""
    monkeypatch.setattr(disposal, "YOUNG_S", 0.0)


async def waiting(worker: Worker) -> list[dict[str, Any]]:
    query = "SELECT payload, execute_after - created AS delay FROM pgqueuer WHERE entrypoint = $1 ORDER BY id"
    rows = await worker.database.fetch(query, disposal.KIND)
    # Nobody may still need them by then.
    assert all(row["delay"].total_seconds() >= 300 for row in rows)
    return [msgspec.json.decode(row["payload"]) for row in rows]


async def dispose(worker: Worker) -> None:
    """Do all the jobs now."""
    (kind,) = worker.search.job_kinds
    for payload in await waiting(worker):
        await kind.handler(payload)


async def test_a_deleted_image_takes_its_picture_and_thumbnails_along(worker: Worker, tenant: Tenant) -> None:
    collection, _ = await tenant.shelf()
    _, image = await tenant.reference(collection, 1)
    thumbs = [name_of((await tenant.http.get(image[f"thumb_{side}"])).content) for side in (60, 120)]
    names = [name_of(ONE), *thumbs]
    assert all([await worker.blobs.exists(name) for name in names])
    await tenant.ask("DELETE", f"image/{image['uuid']}/")
    assert sorted((await waiting(worker))[0]["names"]) == sorted(names)
    await dispose(worker)
    assert not any([await worker.blobs.exists(name) for name in names])
    # At least once: the job may run again.
    await dispose(worker)


@pytest.mark.parametrize("what", ["item", "collection"])
async def test_so_does_a_deleted_item_or_collection(worker: Worker, tenant: Tenant, what: str) -> None:
    collection, _ = await tenant.shelf()
    item, _ = await tenant.reference(collection, 1)
    await tenant.upload(item, TWO)
    made = {"item": item, "collection": collection}[what]
    await tenant.ask("DELETE", f"{what}/{made['uuid']}/")
    await dispose(worker)
    assert not await worker.blobs.exists(name_of(ONE))
    assert not await worker.blobs.exists(name_of(TWO))


async def test_a_picture_that_another_image_shows_stays(worker: Worker, tenant: Tenant) -> None:
    collection, _ = await tenant.shelf()
    item, first = await tenant.reference(collection, 1)
    second = await tenant.upload(item, ONE)
    await tenant.ask("DELETE", f"image/{first['uuid']}/")
    await dispose(worker)
    for url in (second["file"], second["thumb_60"], second["thumb_120"]):
        assert (await tenant.http.get(url)).status_code == 200


async def test_a_replaced_picture_goes_and_the_same_one_again_stays(worker: Worker, tenant: Tenant) -> None:
    collection, _ = await tenant.shelf()
    _, image = await tenant.reference(collection, 1)
    await tenant.ask("PUT", f"image/{image['uuid']}/", files={"file": ONE})
    await dispose(worker)
    assert (await tenant.http.get(image["file"])).content == ONE
    await tenant.ask("PUT", f"image/{image['uuid']}/", files={"file": TWO})
    await dispose(worker)
    assert not await worker.blobs.exists(name_of(ONE))
    assert (await tenant.http.get(image["file"])).content == TWO


async def test_a_refused_upload_leaves_nothing(start_worker: StartWorker) -> None:
    async with start_worker(quotas=Quotas(images=0)) as worker:
        tenant = await worker.tenant()
        collection, _ = await tenant.shelf()
        item = await tenant.make("item", name="A", collection=collection["uuid"])
        answer = await tenant.ask("POST", "image/", data={"item": item["uuid"]}, files={"file": ONE})
        assert answer.status_code == 403
        await dispose(worker)
        assert not await worker.blobs.exists(name_of(ONE))


async def test_a_young_blob_is_spared(
    worker: Worker, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disposal, "YOUNG_S", 300.0)
    collection, _ = await tenant.shelf()
    _, image = await tenant.reference(collection, 1)
    await tenant.ask("DELETE", f"image/{image['uuid']}/")
    # Somebody puts the same picture again; the row is not written yet.
    await worker.blobs.put(ONE)
    await dispose(worker)
    assert await worker.blobs.exists(name_of(ONE))
