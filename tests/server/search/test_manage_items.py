"""/api/v0/item/."""

import json
from typing import Any

from server.search.catalog import Quotas
from tests.server.search import pictures
from tests.server.search.conftest import StartWorker
from tests.server.search.worker import Tenant

UNKNOWN = "0123456789abcdef" * 2
KEYS = {"uuid", "resource_uri", "name", "collection", "url", "content", "trackable", "tags"}


async def details(tenant: Tenant, **fields: Any) -> dict[str, list[str]]:
    answer = await tenant.ask("POST", "item/", json=fields)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "VALIDATION_ERROR")
    found: dict[str, list[str]] = answer.json()["error"]["details"]
    return found


async def test_a_new_item_has_exactly_the_published_keys(tenant: Tenant) -> None:
    collection, _ = await tenant.shelf()
    made = await tenant.make("item", name="Rioja", collection=collection["resource_uri"])
    assert made == {
        "uuid": made["uuid"],
        "resource_uri": f"/api/v0/item/{made['uuid']}/",
        "name": "Rioja",
        "collection": collection["resource_uri"],
        "url": "",
        "content": None,
        "trackable": False,
        "tags": [],
    }
    full = await tenant.make(
        "item", name="Rioja", collection=collection["uuid"], custom="x", url="http://e.com"
    )
    assert set(full) == KEYS | {"custom"}


async def test_the_collection_may_be_named_in_every_form(tenant: Tenant) -> None:
    collection, _ = await tenant.shelf()
    uuid = collection["uuid"]
    for form in (
        f"/api/v0/collection/{uuid}/",
        f"/v0/collection/{uuid}/",
        f"/api/v0/collection/{uuid}",
        f"http://any.example/api/v0/collection/{uuid}/",
        uuid,
    ):
        assert (await tenant.make("item", name="A", collection=form))["collection"] == collection[
            "resource_uri"
        ]


async def test_fields_that_are_wrong_are_named(tenant: Tenant) -> None:
    collection, _ = await tenant.shelf()
    uri = collection["resource_uri"]
    required = ["This field is required."]
    assert await details(tenant) == {"name": required, "collection": required}
    assert await details(tenant, name="", collection=uri) == {"name": required}
    assert list(await details(tenant, name="A", collection=UNKNOWN)) == ["collection"]
    assert list(await details(tenant, name="A", collection="/api/v0/item/x/")) == ["collection"]
    assert list(await details(tenant, name="A", collection=uri, url=7)) == ["url"]
    assert list(await details(tenant, name="A", collection=uri, url="http://e.com/" + "x" * 2048)) == ["url"]
    assert list(await details(tenant, name="A", collection=uri, custom={"a": 1})) == ["custom"]
    assert list(await details(tenant, name="A", collection=uri, trackable="maybe")) == ["trackable"]
    assert list(await details(tenant, name="A", collection=uri, tags="red")) == ["tags"]
    assert list(await details(tenant, name="A", collection=uri, tags=[UNKNOWN, 7])) == ["tags"]


async def test_names_need_not_be_unique(tenant: Tenant) -> None:
    collection, _ = await tenant.shelf()
    for _ in range(2):
        await tenant.make("item", name="Same", collection=collection["resource_uri"])


async def test_custom_keeps_any_string_up_to_a_mebibyte(tenant: Tenant) -> None:
    collection, _ = await tenant.shelf()
    uri = collection["resource_uri"]
    for custom in ('{"a": 1}', "a\x00b", " ", "\u2028\U0001f600", "é" * 2**19):
        made = await tenant.make("item", name="A", collection=uri, custom=custom)
        assert made["custom"] == custom
        assert (await tenant.ask("GET", f"item/{made['uuid']}/")).json()["custom"] == custom
    assert list(await details(tenant, name="A", collection=uri, custom="x" * (2**20 + 1))) == ["custom"]


async def test_content_comes_back_as_json_whether_sent_as_value_or_as_text(tenant: Tenant) -> None:
    collection, _ = await tenant.shelf()
    uri = collection["resource_uri"]
    value = {"z": [1, 2.5, None, True], "a": {"ü": "\x00"}}
    for sent in (value, json.dumps(value)):
        made = await tenant.make("item", name="A", collection=uri, content=sent)
        assert made["content"] == value
        # The order of keys too.
        assert list(made["content"]) == ["z", "a"]
    assert (await tenant.make("item", name="A", collection=uri, content="plain words"))[
        "content"
    ] == "plain words"
    for absent in ("", None, "null"):
        assert (await tenant.make("item", name="A", collection=uri, content=absent))["content"] is None
    assert list(await details(tenant, name="A", collection=uri, content=["x" * 2**20])) == ["content"]


async def test_tags_are_references_to_tags_of_the_same_collection(tenant: Tenant) -> None:
    collection, _ = await tenant.shelf("A")
    other, _ = await tenant.shelf("B")
    red = await tenant.make("tag", name="red", collection=collection["resource_uri"])
    blue = await tenant.make("tag", name="blue", collection=collection["resource_uri"])
    foreign = await tenant.make("tag", name="red", collection=other["resource_uri"])
    sent = [blue["uuid"], red["resource_uri"], red["uuid"]]
    made = await tenant.make("item", name="A", collection=collection["uuid"], tags=sent)
    assert made["tags"] == [blue["resource_uri"], red["resource_uri"]]
    assert list(await details(tenant, name="A", collection=collection["uuid"], tags=[foreign["uuid"]])) == [
        "tags"
    ]
    answer = await tenant.ask("PUT", f"item/{made['uuid']}/", json={"tags": [foreign["uuid"]]})
    assert list(answer.json()["error"]["details"]) == ["tags"]


async def test_an_update_changes_only_what_is_given(tenant: Tenant) -> None:
    collection, _ = await tenant.shelf()
    fields = {"url": "http://e.com", "custom": "c", "content": {"a": 1}}
    made = await tenant.make("item", name="A", collection=collection["uuid"], **fields)
    path = f"item/{made['uuid']}/"
    for sent in ({}, {"name": None, "trackable": None}, made):
        assert (await tenant.ask("PUT", path, json=sent)).json() == made
    changed = (await tenant.ask("PUT", path, json={"name": "B", "trackable": "true"})).json()
    assert changed == {**made, "name": "B", "trackable": True}


async def test_null_or_empty_clears_url_content_custom_and_tags(tenant: Tenant) -> None:
    collection, _ = await tenant.shelf()
    tag = await tenant.make("tag", name="red", collection=collection["uuid"])
    fields = {"url": "http://e.com", "custom": "c", "content": {"a": 1}, "tags": [tag["uuid"]]}
    for sent in (dict.fromkeys(fields), {"url": "", "custom": "", "content": "", "tags": []}):
        made = await tenant.make("item", name="A", collection=collection["uuid"], **fields)
        cleared = (await tenant.ask("PUT", f"item/{made['uuid']}/", json=sent)).json()
        assert set(cleared) == KEYS
        assert (cleared["url"], cleared["content"], cleared["tags"]) == ("", None, [])


async def test_an_item_never_changes_its_collection(tenant: Tenant) -> None:
    collection, _ = await tenant.shelf("A")
    other, _ = await tenant.shelf("B")
    made = await tenant.make("item", name="A", collection=collection["uuid"])
    answer = await tenant.ask("PUT", f"item/{made['uuid']}/", json={"collection": other["resource_uri"]})
    assert (answer.status_code, list(answer.json()["error"]["details"])) == (400, ["collection"])


async def test_an_item_with_two_images_cannot_become_trackable(tenant: Tenant) -> None:
    collection, _ = await tenant.shelf()
    item, _ = await tenant.reference(collection, 1)
    await tenant.upload(item, pictures.jpeg(pictures.print_of(2)))
    answer = await tenant.ask("PUT", f"item/{item['uuid']}/", json={"trackable": True})
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "AR_ITEM_IMAGE_COUNT")
    assert (await tenant.ask("GET", f"item/{item['uuid']}/")).json()["trackable"] is False


async def test_a_collection_may_have_only_so_many(start_worker: StartWorker) -> None:
    async with start_worker(quotas=Quotas(items=1)) as worker:
        tenant = await worker.tenant()
        collection, _ = await tenant.shelf("A")
        await tenant.make("item", name="A", collection=collection["uuid"])
        answer = await tenant.ask("POST", "item/", json={"name": "B", "collection": collection["uuid"]})
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "ITEM_QUOTA_EXCEEDED")
        other, _ = await tenant.shelf("B")
        await tenant.make("item", name="B", collection=other["uuid"])


async def test_items_can_be_filtered_by_all_that_the_contract_names(tenant: Tenant) -> None:
    wine, _ = await tenant.shelf("Wine")
    oil, _ = await tenant.shelf("Olive oil")
    red = await tenant.make("tag", name="red", collection=wine["uuid"])
    rioja = await tenant.make(
        "item", name="Rioja", collection=wine["uuid"], tags=[red["uuid"]], url="http://r", custom="a%b"
    )
    await tenant.make("item", name="Cava", collection=wine["uuid"], trackable=True)
    await tenant.make("item", name="Arbequina", collection=oil["uuid"])

    async def listed(**params: object) -> list[str]:
        answer = await tenant.ask("GET", "item/", params=params)
        assert "warning" not in answer.headers
        assert answer.json()["meta"]["total_count"] == len(answer.json()["objects"])
        return [found["name"] for found in answer.json()["objects"]]

    assert await listed() == ["Rioja", "Cava", "Arbequina"]
    assert await listed(name="Cava") == ["Cava"]
    assert await listed(name__contains="a") == ["Rioja", "Cava", "Arbequina"]
    assert await listed(name__contains="A") == ["Arbequina"]
    assert await listed(collection__uuid=wine["uuid"]) == ["Rioja", "Cava"]
    assert await listed(collection__uuid=UNKNOWN) == []
    assert await listed(collection__uuid="nonsense") == []
    assert await listed(collection__name="Olive oil") == ["Arbequina"]
    assert await listed(collection__name__contains="oil") == ["Arbequina"]
    assert await listed(tags__name="red") == ["Rioja"]
    assert await listed(tags__uuid=red["uuid"]) == ["Rioja"]
    assert await listed(trackable="true") == ["Cava"]
    assert await listed(trackable="0") == ["Rioja", "Arbequina"]
    assert await listed(active="1") == ["Rioja", "Cava", "Arbequina"]
    assert await listed(url="http://r") == ["Rioja"]
    assert await listed(custom__contains="%") == ["Rioja"]
    assert await listed(custom__contains="_") == []
    assert await listed(collection__uuid=wine["uuid"], trackable="1", order_by="-name") == ["Cava"]
    (found,) = (await tenant.ask("GET", "item/", params={"name": "Rioja"})).json()["objects"]
    assert found == rioja
