"""/api/v0/collection/."""

from server.search.catalog import Quotas
from tests.server.search.conftest import StartWorker
from tests.server.search.worker import Tenant, Worker


async def test_a_new_collection_has_exactly_the_published_keys_and_one_token(tenant: Tenant) -> None:
    answer = await tenant.ask("POST", "collection/", json={"name": "Wine bottles"})
    assert answer.status_code == 201
    made = answer.json()
    assert made == {
        "uuid": made["uuid"],
        "resource_uri": f"/api/v0/collection/{made['uuid']}/",
        "name": "Wine bottles",
        "offline": False,
    }
    assert len(made["uuid"]) == 32 and int(made["uuid"], 16)
    tokens = (await tenant.ask("GET", "token/", params={"collection__uuid": made["uuid"]})).json()
    assert tokens["meta"]["total_count"] == 1
    assert tokens["objects"][0]["collection"] == made["resource_uri"]


async def test_fields_that_are_wrong_are_named_with_their_reasons(tenant: Tenant) -> None:
    await tenant.make("collection", name="Taken")
    for fields, details in (
        ({}, {"name": ["This field is required."]}),
        ({"name": None}, {"name": ["This field is required."]}),
        ({"name": ""}, {"name": ["This field is required."]}),
        ({"name": "  "}, {"name": ["This field is required."]}),
        ({"name": "Taken"}, {"name": ["Collection name must be unique"]}),
        ({"name": 7}, {"name": ["A string is required."]}),
        ({"name": "a\x00b"}, {"name": ["Null characters are not allowed."]}),
        ({"name": "x", "offline": "maybe"}, {"offline": ["Either true or false is required."]}),
    ):
        answer = await tenant.ask("POST", "collection/", json=fields)
        fault = answer.json()["error"]
        assert (answer.status_code, fault["code"], fault["details"]) == (400, "VALIDATION_ERROR", details)
        assert fault["message"].startswith("Some of the provided fields couldn't be validated.")


async def test_a_name_has_one_to_a_hundred_characters(tenant: Tenant) -> None:
    assert (await tenant.make("collection", name="ü" * 100))["name"] == "ü" * 100
    answer = await tenant.ask("POST", "collection/", json={"name": "ü" * 101})
    assert list(answer.json()["error"]["details"]) == ["name"]


async def test_null_is_an_absent_field_and_unknown_fields_are_ignored(tenant: Tenant) -> None:
    made = await tenant.make("collection", name="A", offline=None, tags=None, colour="red")
    assert made["offline"] is False
    assert (await tenant.make("collection", name="B", offline="true"))["offline"] is True


async def test_names_are_unique_per_tenant_only(worker: Worker, tenant: Tenant) -> None:
    await tenant.make("collection", name="Same")
    assert (await (await worker.tenant()).make("collection", name="Same"))["name"] == "Same"


async def test_an_update_changes_only_what_is_given(tenant: Tenant) -> None:
    made = await tenant.make("collection", name="A")
    await tenant.make("collection", name="Taken")
    path = f"collection/{made['uuid']}/"
    for fields, changed in (
        ({}, {}),
        ({"name": None, "offline": None}, {}),
        ({"offline": True}, {"offline": True}),
        ({"name": "B"}, {"name": "B"}),
        # Clients put a whole object back.
        ({**made, "name": "B"}, {"offline": False}),
    ):
        made = {**made, **changed}
        answer = await tenant.ask("PUT", path, json=fields)
        assert (answer.status_code, answer.json()) == (200, made)
    for name, problem in (("Taken", "Collection name must be unique"), ("", "This field is required.")):
        answer = await tenant.ask("PUT", path, json={"name": name})
        assert answer.json()["error"]["details"] == {"name": [problem]}


async def test_deleting_takes_everything_along(tenant: Tenant) -> None:
    collection, token = await tenant.shelf()
    item, image = await tenant.reference(collection, 1)
    tag = await tenant.make("tag", name="red", collection=collection["resource_uri"])
    answer = await tenant.ask("DELETE", f"collection/{collection['uuid']}/")
    assert (answer.status_code, answer.content) == (204, b"")
    for made in (collection, item, image, tag):
        assert (
            await tenant.http.get(made["resource_uri"], params={"api_key": tenant.secret})
        ).status_code == 404
    assert (await tenant.ask("GET", f"token/{token}/")).status_code == 404
    refused = await tenant.search(token, None)
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "TOKEN_INVALID")
    assert (await tenant.http.get(image["thumb_120"])).status_code == 404


async def test_a_tenant_may_have_only_so_many(start_worker: StartWorker) -> None:
    async with start_worker(quotas=Quotas(collections=2)) as worker:
        tenant = await worker.tenant()
        made = [await tenant.make("collection", name=name) for name in "AB"]
        answer = await tenant.ask("POST", "collection/", json={"name": "C"})
        fault = answer.json()["error"]
        assert (answer.status_code, fault["code"]) == (403, "COLLECTION_QUOTA_EXCEEDED")
        assert "2" in fault["message"]
        await tenant.ask("DELETE", f"collection/{made[0]['uuid']}/")
        await tenant.make("collection", name="C")
        await (await worker.tenant()).make("collection", name="A")


async def test_a_list_is_ordered_by_creation_and_can_be_filtered(tenant: Tenant) -> None:
    names = ["pear", "Apple", "apple pie", "fig"]
    for name in names:
        await tenant.make("collection", name=name)

    async def listed(**params: object) -> list[str]:
        answer = (await tenant.ask("GET", "collection/", params=params)).json()
        assert set(answer) == {"meta", "objects"}
        return [found["name"] for found in answer["objects"]]

    assert await listed() == names
    assert await listed(order_by="-created") == names[::-1]
    assert await listed(order_by="name") == ["Apple", "apple pie", "fig", "pear"]
    assert await listed(order_by="-name") == ["pear", "fig", "apple pie", "Apple"]
    assert await listed(name="Apple") == ["Apple"]
    assert await listed(name__contains="pp") == ["Apple", "apple pie"]
    assert await listed(name__contains="App") == ["Apple"]
    assert await listed(name_contains="%") == []
    assert await listed(name="apple") == []
    assert await listed(name="a\x00") == []


async def test_pages_are_full_and_carry_the_total(tenant: Tenant) -> None:
    for number in range(5):
        await tenant.make("collection", name=f"C{number}")

    async def page(**params: int) -> tuple[dict[str, object], list[str]]:
        answer = (await tenant.ask("GET", "collection/", params=params)).json()
        return answer["meta"], [found["name"] for found in answer["objects"]]

    meta, names = await page(limit=2)
    assert (names, meta["total_count"], meta["previous"]) == (["C0", "C1"], 5, None)
    assert meta["next"] == "/api/v0/collection/?limit=2&offset=2"
    meta, names = await page(limit=2, offset=4)
    assert (names, meta["next"], meta["previous"]) == (["C4"], None, "/api/v0/collection/?limit=2&offset=2")
    meta, names = await page(limit=1)
    assert (names, meta["total_count"]) == (["C0"], 5)
    meta, names = await page(offset=9)
    assert (names, meta["total_count"]) == ([], 5)
    meta, names = await page(limit=0)
    assert (len(names), meta["limit"]) == (5, 1000)


async def test_the_link_to_the_next_page_leads_there(tenant: Tenant) -> None:
    for number in range(3):
        await tenant.make("collection", name=f"a&b {number}")
    params = {"limit": 2, "name__contains": "a&b", "order_by": "-name"}
    first = (await tenant.ask("GET", "collection/", params=params)).json()
    assert tenant.secret not in first["meta"]["next"]
    headers = {"Authorization": f"Bearer {tenant.secret}"}
    second = (await tenant.http.get(first["meta"]["next"], headers=headers)).json()
    assert [found["name"] for found in second["objects"]] == ["a&b 0"]


async def test_an_unknown_filter_is_ignored_with_a_warning(tenant: Tenant) -> None:
    await tenant.make("collection", name="A")
    answer = await tenant.ask("GET", "collection/", params={"colour": "red"})
    assert answer.json()["meta"]["total_count"] == 1
    assert "colour" in answer.headers["warning"]


async def test_a_bad_limit_is_a_validation_error(tenant: Tenant) -> None:
    answer = await tenant.ask("GET", "collection/", params={"limit": "many"})
    assert (answer.status_code, list(answer.json()["error"]["details"])) == (400, ["limit"])
