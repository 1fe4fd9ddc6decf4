"""Public files: pictures, thumbnails, custom data."""

import cv2
import numpy as np
import pytest

from tests.server.search import pictures
from tests.server.search.conftest import StartWorker
from tests.server.search.worker import Tenant

UNKNOWN = "0123456789abcdef" * 2


def decoded(data: bytes) -> pictures.Pixels:
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert pixels is not None
    return pixels


async def test_the_picture_comes_back_as_it_was_uploaded(tenant: Tenant) -> None:
    collection, _ = await tenant.shelf()
    item = await tenant.make("item", name="A", collection=collection["uuid"])
    for data, kind in (
        (pictures.jpeg(pictures.print_of(1)), "image/jpeg"),
        (pictures.png(pictures.print_of(1)), "image/png"),
    ):
        made = await tenant.upload(item, data)
        answer = await tenant.http.get(made["file"])
        assert (answer.status_code, answer.headers["content-type"], answer.content) == (200, kind, data)
        assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(("width", "height"), [(360, 270), (270, 360), (1300, 140)])
async def test_thumbnails_are_jpegs_that_fit_and_keep_the_aspect(
    tenant: Tenant, width: int, height: int
) -> None:
    collection, _ = await tenant.shelf()
    item = await tenant.make("item", name="A", collection=collection["uuid"])
    made = await tenant.upload(item, pictures.png(pictures.print_of(1, width, height)))
    for side in (60, 120):
        answer = await tenant.http.get(made[f"thumb_{side}"])
        assert (answer.status_code, answer.headers["content-type"]) == (200, "image/jpeg")
        pixels = decoded(answer.content)
        assert max(pixels.shape[:2]) == side
        assert pixels.shape[1] / pixels.shape[0] == pytest.approx(width / height, rel=0.1)
        # The same colours, in the same order of channels.
        original = pictures.print_of(1, width, height).mean((0, 1))
        assert np.abs(pixels.mean((0, 1)) - original).max() < 12


async def test_files_need_no_key_and_may_be_kept_and_asked_about(tenant: Tenant) -> None:
    collection, _ = await tenant.shelf()
    _, made = await tenant.reference(collection, 1)
    for url in (made["file"], made["thumb_120"]):
        answer = await tenant.http.get(url)
        assert "public" in answer.headers["cache-control"]
        etag = answer.headers["etag"]
        for known in (etag, f'"other", W/{etag}', "*"):
            again = await tenant.http.get(url, headers={"If-None-Match": known})
            assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", etag)
        changed = await tenant.http.get(url, headers={"If-None-Match": '"other"'})
        assert changed.status_code == 200


async def test_a_file_that_is_not_there_is_404(tenant: Tenant) -> None:
    collection, _ = await tenant.shelf()
    item, made = await tenant.reference(collection, 1)
    uuid, name = collection["uuid"], f"{item['uuid']}_{made['uuid']}"
    for path in (
        f"/collections/{uuid}/images/{item['uuid']}_{UNKNOWN}",
        f"/collections/{uuid}/images/{UNKNOWN}_{made['uuid']}",
        f"/collections/{UNKNOWN}/images/{name}",
        f"/collections/{uuid}/images/{name}_thumb_120.jpe",
        f"/collections/x/images/{name}",
        f"/cache/collections/{uuid}/images/{name}",
        f"/cache/collections/{uuid}/images/{name}_thumb_61.jpe",
        f"/cache/collections/{uuid}/images/..%2F..%2Fetc",
        f"/files/collections/{uuid}/items/{item['uuid']}/custom",
        f"/files/collections/{uuid}/items/x/custom",
    ):
        answer = await tenant.http.get(path)
        assert (answer.status_code, answer.content) == (404, b""), path


async def test_custom_data_is_public_plain_text(tenant: Tenant) -> None:
    collection, token = await tenant.shelf()
    page = "<script>alert('é')</script>"
    item, _ = await tenant.reference(collection, 1, custom=page)
    answer = await tenant.search(token, pictures.jpeg(pictures.print_of(1)))
    url = answer.json()["results"][0]["item"]["custom"]
    assert url.startswith("http://shop.example:8080/files/") and url.endswith("/custom")
    shown = await tenant.http.get(url)
    assert (shown.status_code, shown.text) == (200, page)
    assert shown.headers["content-type"].startswith("text/plain")
    assert shown.headers["access-control-allow-origin"] == "*"
    known = {"If-None-Match": shown.headers["etag"]}
    unchanged = await tenant.http.get(url, headers=known)
    assert unchanged.status_code == 304
    assert unchanged.headers["cache-control"] == shown.headers["cache-control"] == "no-cache"
    await tenant.ask("PUT", f"item/{item['uuid']}/", json={"custom": "new"})
    assert (await tenant.http.get(url, headers=known)).text == "new"


async def test_addresses_are_those_of_the_client_or_of_the_configured_server(
    start_worker: StartWorker,
) -> None:
    async with start_worker() as worker:
        tenant = await worker.tenant()
        collection, _ = await tenant.shelf()
        _, made = await tenant.reference(collection, 1)
        headers = {"Host": "pictures.example", "X-Forwarded-Proto": "https"}
        shown = (await tenant.ask("GET", f"image/{made['uuid']}/", headers=headers)).json()
        assert shown["file"].startswith("https://pictures.example/collections/")
    async with start_worker(public_url="https://cdn.example/aisle") as worker:
        shown = (await tenant.at(worker).ask("GET", f"image/{made['uuid']}/")).json()
        assert shown["thumb_60"].startswith("https://cdn.example/aisle/cache/collections/")
