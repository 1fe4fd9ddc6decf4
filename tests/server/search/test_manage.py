"""What holds for every management resource: keys, content types, methods, status codes, empty 404s."""

import itertools
import json

import pytest

from tests.server.search.conftest import StartWorker
from tests.server.search.worker import Tenant, Worker

UNKNOWN = "0123456789abcdef" * 2
PYTHON_CLIENT = {"User-Agent": "CraftAR/1.3.8 (python 3.11.7)"}


def code(answer: object) -> str:
    return answer.json()["error"]["code"]  # type: ignore[attr-defined]


async def test_the_key_may_come_in_the_query_the_header_or_the_json(tenant: Tenant) -> None:
    http, key = tenant.http, tenant.secret
    bearer = {"Authorization": f"Bearer {key}"}
    assert (await http.get("/api/v0/collection/", params={"api_key": key})).status_code == 200
    assert (await http.get("/api/v0/collection/", headers=bearer)).status_code == 200
    made = await http.post("/api/v0/collection/", json={"api_key": key, "name": "A"})
    assert made.status_code == 201
    assert set(made.json()) == {"uuid", "resource_uri", "name", "offline"}


async def test_the_key_may_come_in_the_form_of_an_upload(tenant: Tenant) -> None:
    answer = await tenant.http.post("/api/v0/image/", data={"api_key": tenant.secret}, files={"x": b"y"})
    assert code(answer) == "VALIDATION_ERROR"


async def test_no_key_or_a_bad_one_is_refused_whatever_else_is_wrong(worker: Worker) -> None:
    calls = [("GET", "item"), ("POST", "item"), ("PUT", f"item/{UNKNOWN}"), ("DELETE", "item/x")]
    for params, (method, path) in itertools.product(
        [{}, *({"api_key": key} for key in ("", "0" * 40, "x", "ü"))], calls
    ):
        answer = await worker.http.request(method, f"/api/v0/{path}/", params=params, content=b"{")
        assert (answer.status_code, code(answer)) == (403, "AUTHENTICATION_FAILED")
        assert answer.json()["error"]["message"] == "Invalid API key."


async def test_a_key_of_another_product_opens_nothing(worker: Worker) -> None:
    _, secret = await worker.keys.create("shelf", "other", ("read", "write"))
    answer = await worker.http.get("/api/v0/collection/", params={"api_key": secret})
    assert code(answer) == "AUTHENTICATION_FAILED"


async def test_a_reading_key_cannot_write_and_a_writing_key_cannot_read(worker: Worker) -> None:
    reader, writer = await worker.tenant(("read",)), await worker.tenant(("write",))
    assert (await reader.ask("GET", "collection/")).status_code == 200
    assert code(await reader.ask("POST", "collection/", json={"name": "A"})) == "AUTHENTICATION_FAILED"
    assert (await writer.ask("POST", "collection/", json={"name": "A"})).status_code == 201
    assert code(await writer.ask("GET", "collection/")) == "AUTHENTICATION_FAILED"


async def test_a_deleted_key_stops_working(worker: Worker, tenant: Tenant) -> None:
    (key,) = await worker.keys.list()
    await worker.keys.delete(key.id)
    assert code(await tenant.ask("GET", "collection/")) == "AUTHENTICATION_FAILED"


async def test_a_body_that_is_no_json_object_is_named(tenant: Tenant) -> None:
    kind = {"Content-Type": "application/json"}
    for body in (b"", b"{", b"[]", b'"name"', b"\xff\xfe", b'{"name": "\\ud800"}', b"[" * 100_000):
        answer = await tenant.ask("POST", "collection/", content=body, headers=kind)
        assert (answer.status_code, code(answer)) == (400, "INVALID_JSON"), body[:20]


async def test_the_charset_of_json_may_be_told(tenant: Tenant) -> None:
    kind = {"Content-Type": "application/json; charset=UTF-8"}
    answer = await tenant.ask("POST", "collection/", content=json.dumps({"name": "Ä"}), headers=kind)
    assert (answer.status_code, answer.json()["name"]) == (201, "Ä")


async def test_json_resources_name_both_types(tenant: Tenant) -> None:
    for resource in ("collection", "item", "token", "tag"):
        answer = await tenant.ask("POST", f"{resource}/", data={"name": "A"})
        assert (answer.status_code, code(answer)) == (400, "WRONG_CONTENT_TYPE")
        expected = "Expected application/json content but got application/x-www-form-urlencoded."
        assert answer.json()["error"]["message"] == expected


async def test_images_want_a_form_with_a_file(tenant: Tenant) -> None:
    answer = await tenant.ask("POST", "image/", json={"item": UNKNOWN})
    assert (answer.status_code, code(answer)) == (400, "WRONG_CONTENT_TYPE")
    expected = "Expected multipart/form-data content but got application/json."
    assert answer.json()["error"]["message"] == expected


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "POST", "DELETE"])
async def test_an_unknown_id_is_404_with_an_empty_body(tenant: Tenant, method: str) -> None:
    for resource, identifier in itertools.product(
        ("collection", "item", "image", "token", "tag"), (UNKNOWN, UNKNOWN[:16], "no-id", "%F0%9F%98%80")
    ):
        request = {"json": {}} if method in ("PUT", "PATCH", "POST") else {}
        answer = await tenant.ask(method, f"{resource}/{identifier}/", **request)
        assert (answer.status_code, answer.content) == (404, b"")
        assert answer.headers["content-length"] == "0"


async def test_an_unknown_resource_is_404_with_an_empty_body(tenant: Tenant) -> None:
    answer = await tenant.ask("GET", "nonsense/")
    assert (answer.status_code, answer.content) == (404, b"")


async def test_a_method_that_is_not_there_tells_which_are(tenant: Tenant) -> None:
    for path, allowed in (("collection/", {"GET", "POST"}), (f"item/{UNKNOWN}/", {"GET", "PUT", "DELETE"})):
        answer = await tenant.ask("TRACE", path)
        assert (answer.status_code, code(answer)) == (405, "METHOD_NOT_ALLOWED")
        assert allowed <= {name.strip() for name in answer.headers["allow"].split(",")}


@pytest.mark.parametrize("slash", ["", "/"])
async def test_the_end_slash_is_optional_without_a_redirect(tenant: Tenant, slash: str) -> None:
    made = await tenant.ask("POST", f"collection{slash}", json={"name": "A"})
    assert made.status_code == 201
    shown = await tenant.ask("GET", f"collection/{made.json()['uuid']}{slash}")
    assert shown.json() == made.json()
    assert (await tenant.ask("GET", f"collection{slash}")).json()["meta"]["total_count"] == 1


async def test_an_update_is_200_with_the_full_object(tenant: Tenant) -> None:
    made = await tenant.make("collection", name="A")
    for method in ("PUT", "PATCH", "POST"):
        answer = await tenant.ask(method, f"collection/{made['uuid']}/", json={"name": method})
        assert answer.status_code == 200
        assert answer.json() == {**made, "name": method}


@pytest.mark.parametrize(
    "agent",
    ["CraftAR/1.3.8 (python 3.11.7)", "CraftAR Python 1.0", "Catchoom Python", "CraftAR/2 (python)"],
)
async def test_an_update_is_202_for_the_client_that_wants_it(tenant: Tenant, agent: str) -> None:
    made = await tenant.make("collection", name="A")
    path = f"collection/{made['uuid']}/"
    answer = await tenant.ask("PUT", path, json={}, headers={"User-Agent": agent})
    assert (answer.status_code, answer.json()) == (202, made)
    other = await tenant.ask("PUT", path, json={}, headers={"User-Agent": f"x {agent}"})
    assert other.status_code == 200


async def test_the_status_of_updates_can_be_fixed(start_worker: StartWorker) -> None:
    async with start_worker(put_status=202) as worker:
        tenant = await worker.tenant()
        made = await tenant.make("collection", name="A")
        assert (await tenant.ask("PUT", f"collection/{made['uuid']}/", json={})).status_code == 202
    async with start_worker(put_status=200) as worker:
        path = f"collection/{made['uuid']}/"
        answer = await tenant.at(worker).ask("PUT", path, json={}, headers=PYTHON_CLIENT)
        assert answer.status_code == 200


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
async def test_a_post_may_stand_for_an_update(tenant: Tenant, method: str) -> None:
    made = await tenant.make("collection", name="A")
    override = {"X-HTTP-Method-Override": method}
    answer = await tenant.ask("POST", f"collection/{made['uuid']}/", json={"name": "B"}, headers=override)
    assert (answer.status_code, answer.json()["name"]) == (200, "B")


async def test_a_post_may_stand_for_a_deletion(tenant: Tenant) -> None:
    made = await tenant.make("collection", name="A")
    path = f"collection/{made['uuid']}/"
    answer = await tenant.ask("POST", path, headers={"X-HTTP-Method-Override": "delete"})
    assert (answer.status_code, answer.content) == (204, b"")
    assert (await tenant.ask("GET", path)).status_code == 404


async def test_answers_are_never_stored_and_open_to_browsers(tenant: Tenant) -> None:
    for answer in (await tenant.ask("GET", "collection/"), await tenant.ask("GET", f"item/{UNKNOWN}/")):
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["access-control-allow-origin"] == "*"
        assert answer.headers["x-request-id"]


async def test_a_tenant_sees_and_changes_only_its_own(worker: Worker, tenant: Tenant) -> None:
    collection, token = await tenant.shelf()
    item, image = await tenant.reference(collection, 1)
    tag = await tenant.make("tag", name="red", collection=collection["resource_uri"])
    stranger = await worker.tenant()
    ids = {
        "collection": collection["uuid"],
        "item": item["uuid"],
        "image": image["uuid"],
        "token": token,
        "tag": tag["uuid"],
    }
    for resource, identifier in ids.items():
        listed = (await stranger.ask("GET", f"{resource}/")).json()
        assert (listed["meta"]["total_count"], listed["objects"]) == (0, [])
        for method in ("GET", "PUT", "DELETE"):
            request = {"json": {"name": "stolen"}} if method == "PUT" else {}
            answer = await stranger.ask(method, f"{resource}/{identifier}/", **request)
            assert answer.status_code == 404
    for resource, fields in (
        ("item", {"name": "x", "collection": collection["resource_uri"]}),
        ("token", {"collection": collection["resource_uri"]}),
        ("tag", {"name": "x", "collection": collection["resource_uri"]}),
    ):
        answer = await stranger.ask("POST", f"{resource}/", json=fields)
        assert (answer.status_code, list(answer.json()["error"]["details"])) == (400, ["collection"])
    mine = await stranger.make("collection", name="Mine")
    fields = {"name": "x", "collection": mine["resource_uri"], "tags": [tag["resource_uri"]]}
    assert list((await stranger.ask("POST", "item/", json=fields)).json()["error"]["details"]) == ["tags"]
    for resource, identifier in ids.items():
        assert (await tenant.ask("GET", f"{resource}/{identifier}/")).status_code == 200
