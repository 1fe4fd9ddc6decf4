"""/api/v0/image/."""

from typing import Any

import httpx
import pytest

from server.search.catalog import Quotas
from server.settings import Limits
from tests.server.search import pictures
from tests.server.search.conftest import StartWorker
from tests.server.search.worker import Tenant, Worker

KEYS = {
    *("uuid", "resource_uri", "item", "name", "file", "status", "quality"),
    *("thumb_120", "thumb_60", "tracking_data_status"),
}


@pytest.fixture
async def item(tenant: Tenant) -> dict[str, Any]:
    """An item without pictures."""
    collection, _ = await tenant.shelf()
    return await tenant.make("item", name="A", collection=collection["uuid"])


async def post(tenant: Tenant, item: dict[str, Any], data: bytes) -> httpx.Response:
    form = {"item": item["resource_uri"]}
    return await tenant.ask("POST", "image/", data=form, files={"file": ("a.jpg", data, "image/jpeg")})


def fault(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


async def test_a_new_image_has_exactly_the_published_keys_and_its_final_status(
    tenant: Tenant, item: dict[str, Any]
) -> None:
    answer = await post(tenant, item, pictures.jpeg(pictures.print_of(1)))
    assert answer.status_code == 201
    made = answer.json()
    assert set(made) == KEYS
    assert (made["item"], made["name"], made["status"]) == (item["resource_uri"], "a.jpg", "OK")
    assert 0 < made["quality"] <= 1
    assert made["tracking_data_status"] == "NO"
    collection = item["collection"].split("/")[-2]
    base, name = "http://shop.example:8080", f"{item['uuid']}_{made['uuid']}"
    assert made["file"] == f"{base}/collections/{collection}/images/{name}"
    assert made["thumb_120"] == f"{base}/cache/collections/{collection}/images/{name}_thumb_120.jpe"
    assert made["thumb_60"] == f"{base}/cache/collections/{collection}/images/{name}_thumb_60.jpe"
    assert (await tenant.ask("GET", f"image/{made['uuid']}/")).json() == made


async def test_a_plain_picture_is_kept_with_status_er_and_never_matches(tenant: Tenant) -> None:
    collection, token = await tenant.shelf()
    item = await tenant.make("item", name="A", collection=collection["uuid"])
    made = await tenant.upload(item, pictures.jpeg(pictures.plain()))
    assert made["status"] == "ER"
    assert await tenant.found(token, pictures.jpeg(pictures.print_of(1))) == []


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("IMAGE_TOO_SMALL", pictures.jpeg(pictures.print_of(1, 119, 300))),
        ("IMAGE_TRANSPARENCY", pictures.transparent_png()),
        ("IMAGE_NOT_LOADED", b"no picture at all"),
        ("IMAGE_NOT_LOADED", pictures.jpeg(pictures.print_of(1))[:2000]),
    ],
)
async def test_a_picture_that_cannot_be_used_is_400(
    tenant: Tenant, item: dict[str, Any], kind: str, data: bytes
) -> None:
    assert fault(await post(tenant, item, data)) == (400, kind)
    assert (await tenant.ask("GET", "image/")).json()["meta"]["total_count"] == 0


async def test_too_many_bytes_or_pixels_are_400(start_worker: StartWorker) -> None:
    limits = Limits(reference_bytes=40_000, reference_pixels=200_000)
    async with start_worker(limits=limits) as worker:
        tenant = await worker.tenant()
        collection, _ = await tenant.shelf()
        item = await tenant.make("item", name="A", collection=collection["uuid"])
        small = pictures.jpeg(pictures.print_of(1, 200, 200), quality=60)
        assert (await post(tenant, item, small)).status_code == 201
        for data in (
            small + b"\0" * 40_000,
            b"\0" * 3_000_000,
            pictures.jpeg(pictures.plain(500, 500)),
        ):
            assert fault(await post(tenant, item, data)) == (400, "IMAGE_TOO_LARGE")


async def test_a_strip_is_a_validation_error_on_the_file(tenant: Tenant, item: dict[str, Any]) -> None:
    answer = await post(tenant, item, pictures.jpeg(pictures.print_of(1, 1300, 125)))
    assert fault(answer) == (400, "VALIDATION_ERROR")
    assert list(answer.json()["error"]["details"]) == ["file"]
    assert (await post(tenant, item, pictures.jpeg(pictures.print_of(1, 1250, 125)))).status_code == 201


async def test_a_missing_item_or_file_is_named(tenant: Tenant, item: dict[str, Any]) -> None:
    data = pictures.jpeg(pictures.print_of(1))
    required = ["This field is required."]
    for form, files, details in (
        ({}, {"x": b"y"}, {"item": required, "file": required}),
        ({"item": item["uuid"]}, {"x": b"y"}, {"file": required}),
        ({"item": item["uuid"]}, {"file": b""}, {"file": required}),
        ({}, {"file": data}, {"item": required}),
    ):
        answer = await tenant.ask("POST", "image/", data=form, files=files)
        assert fault(answer) == (400, "VALIDATION_ERROR")
        assert answer.json()["error"]["details"] == details
    for wrong in ("0123456789abcdef" * 2, item["collection"], "nonsense"):
        answer = await tenant.ask("POST", "image/", data={"item": wrong}, files={"file": data})
        assert list(answer.json()["error"]["details"]) == ["item"]


async def test_the_file_may_be_called_files_and_come_without_name_and_type(
    tenant: Tenant, item: dict[str, Any]
) -> None:
    data = pictures.png(pictures.print_of(1))
    body = b"\r\n".join(
        [
            b"--*****",
            b'Content-Disposition: form-data; name="item"',
            b"",
            item["uuid"].encode(),
            b"--*****",
            b'Content-Disposition: form-data; name="files"',
            b"",
            data,
            b"--*****--",
            b"",
        ]
    )
    kind = {"Content-Type": "multipart/form-data; boundary=*****"}
    answer = await tenant.ask("POST", "image/", content=body, headers=kind)
    assert (answer.status_code, answer.json()["status"], answer.json()["name"]) == (201, "OK", "image")


async def test_the_name_is_the_field_or_the_last_part_of_the_file_name(
    tenant: Tenant, item: dict[str, Any]
) -> None:
    data = pictures.jpeg(pictures.print_of(1))
    assert (await tenant.upload(item, data, name="C:\\photos\\front.jpg"))["name"] == "front.jpg"
    assert (await tenant.upload(item, data, name="/tmp/../étiquette.jpg"))["name"] == "étiquette.jpg"
    form = {"item": item["uuid"], "name": "Front"}
    answer = await tenant.ask("POST", "image/", data=form, files={"file": ("a.jpg", data)})
    assert answer.json()["name"] == "Front"


async def test_an_update_replaces_the_picture_and_keeps_the_uuid(worker: Worker, tenant: Tenant) -> None:
    collection, token = await tenant.shelf()
    item, image = await tenant.reference(collection, 1)
    first, second = (pictures.jpeg(pictures.print_of(seed)) for seed in (1, 2))
    for part in ("file", "files"):
        answer = await tenant.ask(
            "PUT", f"image/{image['uuid']}/", files={part: ("b.jpg", second, "image/jpeg")}
        )
        # The python client names itself nowhere in a form, and takes only 202 for success.
        assert answer.status_code == 202
        assert answer.json() == {**image, "name": "b.jpg", "quality": answer.json()["quality"]}
    assert await tenant.found(token, first) == []
    assert await tenant.found(token, second) == [item["uuid"]]
    assert (await tenant.http.get(image["file"])).content == second
    assert len(worker.search.collections) == 1


async def test_a_plain_replacement_takes_the_picture_out_of_searches(tenant: Tenant) -> None:
    collection, token = await tenant.shelf()
    _, image = await tenant.reference(collection, 1)
    files = {"file": ("b.jpg", pictures.jpeg(pictures.plain()), "image/jpeg")}
    answer = await tenant.ask("PUT", f"image/{image['uuid']}/", files=files)
    assert (answer.status_code, answer.json()["status"]) == (202, "ER")
    assert await tenant.found(token, pictures.jpeg(pictures.print_of(1))) == []


async def test_a_bad_replacement_leaves_the_picture_as_it_was(tenant: Tenant) -> None:
    collection, token = await tenant.shelf()
    item, image = await tenant.reference(collection, 1)
    answer = await tenant.ask("PUT", f"image/{image['uuid']}/", files={"file": b"nonsense"})
    assert fault(answer) == (400, "IMAGE_NOT_LOADED")
    assert await tenant.found(token, pictures.jpeg(pictures.print_of(1))) == [item["uuid"]]


async def test_a_name_alone_renames_and_the_item_stays(tenant: Tenant, item: dict[str, Any]) -> None:
    made = await tenant.upload(item, pictures.jpeg(pictures.print_of(1)))
    path = f"image/{made['uuid']}/"
    answer = await tenant.ask("PUT", path, data={"item": item["uuid"]}, files={"name": (None, "New")})
    assert answer.json() == {**made, "name": "New"}
    other = await tenant.make("item", name="B", collection=item["collection"])
    answer = await tenant.ask("PUT", path, data={"item": other["uuid"]}, files={"name": (None, "New")})
    assert list(answer.json()["error"]["details"]) == ["item"]


async def test_a_trackable_item_has_exactly_one_image(tenant: Tenant) -> None:
    collection, _ = await tenant.shelf()
    item, image = await tenant.reference(collection, 1, trackable=True)
    assert image["tracking_data_status"] in ("OK", "PE", "ER")
    second = await post(tenant, item, pictures.jpeg(pictures.print_of(2)))
    assert fault(second) == (403, "AR_ITEM_IMAGE_COUNT")
    assert fault(await tenant.ask("DELETE", f"image/{image['uuid']}/")) == (403, "AR_ITEM_IMAGE_COUNT")
    assert (await tenant.ask("DELETE", f"item/{item['uuid']}/")).status_code == 204


async def test_a_collection_may_have_only_so_many_images(start_worker: StartWorker) -> None:
    async with start_worker(quotas=Quotas(images=1)) as worker:
        tenant = await worker.tenant()
        collection, _ = await tenant.shelf()
        item, _ = await tenant.reference(collection, 1)
        answer = await post(tenant, item, pictures.jpeg(pictures.print_of(2)))
        assert fault(answer) == (403, "IMAGE_QUOTA_EXCEEDED")


async def test_images_can_be_filtered_by_all_that_the_contract_names(tenant: Tenant) -> None:
    wine, _ = await tenant.shelf("Wine")
    rioja = await tenant.make("item", name="Rioja", collection=wine["uuid"])
    cava = await tenant.make("item", name="Cava", collection=wine["uuid"])
    await tenant.upload(rioja, pictures.jpeg(pictures.print_of(1)), name="front.jpg")
    await tenant.upload(rioja, pictures.jpeg(pictures.plain()), name="back.jpg")
    await tenant.upload(cava, pictures.jpeg(pictures.print_of(2)), name="cava.jpg")

    async def listed(**params: object) -> list[str]:
        answer = await tenant.ask("GET", "image/", params=params)
        assert "warning" not in answer.headers
        assert all(set(found) == KEYS for found in answer.json()["objects"])
        return [found["name"] for found in answer.json()["objects"]]

    everything = ["front.jpg", "back.jpg", "cava.jpg"]
    assert await listed() == everything
    assert await listed(name="back.jpg") == ["back.jpg"]
    assert await listed(name__contains="a") == ["back.jpg", "cava.jpg"]
    assert await listed(item__uuid=rioja["uuid"]) == ["front.jpg", "back.jpg"]
    assert await listed(item__name="Cava") == ["cava.jpg"]
    assert await listed(item__name__contains="io") == ["front.jpg", "back.jpg"]
    assert await listed(item__collection__uuid=wine["uuid"]) == everything
    assert await listed(item__collection__name="Wine") == everything
    assert await listed(item__collection__name__contains="x") == []
    assert await listed(status="ER") == ["back.jpg"]
    assert await listed(status="OK") == ["front.jpg", "cava.jpg"]
    assert await listed(quality__lt="0.1") == ["back.jpg"]
    assert await listed(quality__gte="0.1", order_by="-created") == ["cava.jpg", "front.jpg"]
    assert await listed(order_by="name") == ["back.jpg", "cava.jpg", "front.jpg"]
    assert (await listed(order_by="quality"))[0] == "back.jpg"
    assert (await listed(order_by="-status"))[-1] == "back.jpg"
    assert len(await listed(order_by="-uuid")) == 3


async def test_a_deleted_image_and_the_images_of_a_deleted_item_are_not_found(tenant: Tenant) -> None:
    collection, token = await tenant.shelf()
    first, image = await tenant.reference(collection, 1)
    second, _ = await tenant.reference(collection, 2)
    one, two = (pictures.jpeg(pictures.print_of(seed)) for seed in (1, 2))
    assert await tenant.found(token, one) == [first["uuid"]]
    assert (await tenant.ask("DELETE", f"image/{image['uuid']}/")).status_code == 204
    assert await tenant.found(token, one) == []
    # An item without pictures is legal.
    assert (await tenant.ask("GET", f"item/{first['uuid']}/")).status_code == 200
    assert await tenant.found(token, two) == [second["uuid"]]
    assert (await tenant.ask("DELETE", f"item/{second['uuid']}/")).status_code == 204
    assert await tenant.found(token, two) == []
