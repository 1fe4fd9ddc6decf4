"""/api/v0/token/ and /api/v0/tag/."""

import re

from tests.server.search import pictures
from tests.server.search.worker import Tenant

UNKNOWN = "0123456789abcdef" * 2


async def test_a_new_token_has_exactly_the_published_keys(tenant: Tenant) -> None:
    collection, _ = await tenant.shelf()
    made = await tenant.make("token", collection=collection["resource_uri"])
    assert made == {
        "token": made["token"],
        "resource_uri": f"/api/v0/token/{made['token']}/",
        "collection": collection["resource_uri"],
        "tags": [],
    }
    assert re.fullmatch(r"[0-9a-f]{16}", made["token"])
    assert (await tenant.ask("GET", f"token/{made['token'].upper()}")).json() == made


async def test_a_token_needs_a_collection_and_takes_only_its_tags(tenant: Tenant) -> None:
    collection, _ = await tenant.shelf("A")
    other, _ = await tenant.shelf("B")
    foreign = await tenant.make("tag", name="red", collection=other["uuid"])
    for fields, names in (
        ({}, ["collection"]),
        ({"collection": UNKNOWN}, ["collection"]),
        ({"collection": collection["uuid"], "tags": [foreign["uuid"]]}, ["tags"]),
    ):
        answer = await tenant.ask("POST", "token/", json=fields)
        assert (answer.status_code, list(answer.json()["error"]["details"])) == (400, names)


async def test_only_the_tags_of_a_token_can_be_changed(tenant: Tenant) -> None:
    collection, token = await tenant.shelf()
    other, _ = await tenant.shelf("B")
    tag = await tenant.make("tag", name="red", collection=collection["uuid"])
    path = f"token/{token}/"
    tagged = (await tenant.ask("PUT", path, json={"tags": [tag["resource_uri"]]})).json()
    assert tagged["tags"] == [tag["resource_uri"]]
    assert (await tenant.ask("PUT", path, json={})).json() == tagged
    assert (await tenant.ask("PUT", path, json={"tags": None})).json()["tags"] == []
    answer = await tenant.ask("PUT", path, json={"collection": other["uuid"]})
    assert list(answer.json()["error"]["details"]) == ["collection"]


async def test_a_revoked_token_opens_nothing_and_all_may_be_revoked(tenant: Tenant) -> None:
    collection, token = await tenant.shelf()
    assert (await tenant.http.post("/v1/timestamp", data={"token": token})).status_code == 200
    answer = await tenant.ask("DELETE", f"token/{token}/")
    assert (answer.status_code, answer.content) == (204, b"")
    refused = await tenant.http.post("/v1/timestamp", data={"token": token})
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "TOKEN_INVALID")
    listed = await tenant.ask("GET", "token/", params={"collection__uuid": collection["uuid"]})
    assert listed.json()["meta"]["total_count"] == 0


async def test_tokens_can_be_filtered_by_collection(tenant: Tenant) -> None:
    wine, token = await tenant.shelf("Wine")
    await tenant.shelf("Olive oil")
    for params in (
        {"collection__uuid": wine["uuid"]},
        {"collection__name": "Wine"},
        {"collection__name__contains": "in"},
    ):
        answer = (await tenant.ask("GET", "token/", params=params)).json()
        assert [found["token"] for found in answer["objects"]] == [token]
    assert (await tenant.ask("GET", "token/")).json()["meta"]["total_count"] == 2


async def test_a_tag_is_named_once_per_collection(tenant: Tenant) -> None:
    collection, _ = await tenant.shelf("A")
    other, _ = await tenant.shelf("B")
    made = await tenant.make("tag", name="red", collection=collection["resource_uri"])
    assert made == {
        "uuid": made["uuid"],
        "resource_uri": f"/api/v0/tag/{made['uuid']}/",
        "name": "red",
        "collection": collection["resource_uri"],
    }
    await tenant.make("tag", name="red", collection=other["uuid"])
    taken = {"__all__": ["Tag with this Name and Collection already exists."]}
    answer = await tenant.ask("POST", "tag/", json={"name": "red", "collection": collection["uuid"]})
    assert (answer.status_code, answer.json()["error"]["details"]) == (400, taken)
    blue = await tenant.make("tag", name="blue", collection=collection["uuid"])
    answer = await tenant.ask("PUT", f"tag/{blue['uuid']}/", json={"name": "red"})
    assert answer.json()["error"]["details"] == taken
    assert (await tenant.ask("PUT", f"tag/{blue['uuid']}/", json={"name": "navy"})).json()["name"] == "navy"
    required = ["This field is required."]
    answer = await tenant.ask("POST", "tag/", json={})
    assert answer.json()["error"]["details"] == {"name": required, "collection": required}


async def test_a_deleted_tag_is_taken_off_its_items_and_tokens(tenant: Tenant) -> None:
    collection, token = await tenant.shelf()
    red, blue = [
        await tenant.make("tag", name=name, collection=collection["uuid"]) for name in ("red", "blue")
    ]
    tags = [red["uuid"], blue["uuid"]]
    item = await tenant.make("item", name="A", collection=collection["uuid"], tags=tags)
    await tenant.ask("PUT", f"token/{token}/", json={"tags": tags})
    assert (await tenant.ask("DELETE", f"tag/{red['uuid']}/")).status_code == 204
    for path in (f"item/{item['uuid']}/", f"token/{token}/"):
        assert (await tenant.ask("GET", path)).json()["tags"] == [blue["resource_uri"]]


async def test_tags_can_be_filtered(tenant: Tenant) -> None:
    collection, _ = await tenant.shelf("A")
    other, _ = await tenant.shelf("B")
    await tenant.make("tag", name="red", collection=collection["uuid"])
    await tenant.make("tag", name="dark red", collection=other["uuid"])
    for params, names in (
        ({}, ["red", "dark red"]),
        ({"name": "red"}, ["red"]),
        ({"name__contains": "red"}, ["red", "dark red"]),
        ({"collection__uuid": other["uuid"]}, ["dark red"]),
        ({"order_by": "name"}, ["dark red", "red"]),
    ):
        answer = (await tenant.ask("GET", "tag/", params=params)).json()
        assert [found["name"] for found in answer["objects"]] == names


async def test_a_token_with_tags_finds_items_with_any_of_them(tenant: Tenant) -> None:
    collection, everything = await tenant.shelf()
    red, blue = [
        await tenant.make("tag", name=name, collection=collection["uuid"]) for name in ("red", "blue")
    ]
    item, _ = await tenant.reference(collection, 1, tags=[red["uuid"]])
    photo = pictures.jpeg(pictures.print_of(1))

    async def opened(*tags: dict[str, str]) -> list[str]:
        uris = [tag["resource_uri"] for tag in tags]
        token = (await tenant.make("token", collection=collection["uuid"], tags=uris))["token"]
        return await tenant.found(token, photo)

    assert await tenant.found(everything, photo) == [item["uuid"]]
    assert await opened(red) == [item["uuid"]]
    assert await opened(red, blue) == [item["uuid"]]
    assert await opened(blue) == []
    # Read-your-writes for the tags of the item.
    await tenant.ask("PUT", f"item/{item['uuid']}/", json={"tags": [blue["uuid"]]})
    assert await opened(red) == []
    assert await opened(blue) == [item["uuid"]]
