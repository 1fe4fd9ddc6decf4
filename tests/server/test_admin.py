"""/admin/v1: the answers word for word, the one key that opens it, import and export over HTTP."""

import gzip
from typing import Any

import httpx
import pytest

from server.transfer import Kind
from tests.conftest import ClientFactory
from tests.server.test_transfer import Shelf, lines

Admin = dict[str, str]


def plug(http: httpx.AsyncClient, *kinds: Kind) -> None:
    app: Any = http._transport.app  # type: ignore[attr-defined]
    app.kinds.update({kind.name: kind for kind in kinds})


@pytest.mark.parametrize("header", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic x"}])
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/admin/v1/keys"),
        ("POST", "/admin/v1/keys"),
        ("DELETE", "/admin/v1/keys/x"),
        ("PATCH", "/admin/v1/tenants/x"),
        ("POST", "/admin/v1/tenants/x/webhook_secret"),
        ("POST", "/admin/v1/import/products"),
        ("GET", "/admin/v1/export/products"),
        ("DELETE", "/admin/v1/products/x"),
        ("GET", "/admin/v1/jobs"),
    ],
)
async def test_nothing_opens_without_the_admin_key(
    client: ClientFactory, header: Admin, method: str, path: str
) -> None:
    async with client() as http:
        answer = await http.request(method, path, headers=header)
    assert answer.status_code == 401 and answer.headers["www-authenticate"] == "Bearer"
    assert answer.json()["error"]["code"] == "UNAUTHORISED"


async def test_without_an_admin_key_nobody_gets_in(client: ClientFactory) -> None:
    async with client(admin_key=None) as http:
        answer = await http.get("/admin/v1/keys", headers={"Authorization": "Bearer "})
    assert answer.status_code == 401


async def test_a_key_is_made_shown_and_revoked(client: ClientFactory, admin: Admin) -> None:
    async with client() as http:
        wanted = {"product": "search", "name": "phone", "scopes": ["read"]}
        made = await http.post("/admin/v1/keys", json=wanted, headers=admin)
        assert made.status_code == 201
        body = made.json()
        assert list(body) == ["id", "key", "product", "name", "scopes", "tenant", "webhook_secret"]
        assert len(body["key"]) == 40 and body["scopes"] == ["read"] and body["webhook_secret"]
        same = await http.post(
            "/admin/v1/keys", json={"product": "shelf", "tenant": body["tenant"]}, headers=admin
        )
        assert same.json()["tenant"] == body["tenant"] and same.json()["scopes"] == ["read", "write"]
        listed = (await http.get("/admin/v1/keys", headers=admin)).json()["keys"]
        assert [key["id"] for key in listed] == [body["id"], same.json()["id"]]
        assert body["key"] not in str(listed)
        gone = await http.delete(f"/admin/v1/keys/{body['id']}", headers=admin)
        assert (gone.status_code, gone.content) == (204, b"")
        assert (await http.delete(f"/admin/v1/keys/{body['id']}", headers=admin)).status_code == 404


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 400),
        (b"[]", 400),
        (b'{"product": 1}', 400),
        (b'{"product": "search", "scope": ["read"]}', 400),
        (b"{}", 400),
        (b"\xff", 400),
        (b'{"product": "mail"}', 422),
        (b'{"product": "search", "scopes": ["admin"]}', 422),
        (b'{"product": "search", "tenant": "none"}', 422),
    ],
)
async def test_a_wrong_wish_for_a_key_is_explained(
    client: ClientFactory, admin: Admin, body: bytes, status: int
) -> None:
    async with client() as http:
        answer = await http.post("/admin/v1/keys", content=body, headers=admin)
    assert answer.status_code == status and answer.json()["error"]["message"]


async def test_options_and_webhook_secret_of_a_tenant(client: ClientFactory, admin: Admin) -> None:
    async with client() as http:
        key = (await http.post("/admin/v1/keys", json={"product": "shelf"}, headers=admin)).json()
        tenant = f"/admin/v1/tenants/{key['tenant']}"
        first = await http.patch(tenant, json={"bundle": True}, headers=admin)
        second = await http.patch(tenant, json={"options": {"count_piles": 1, "bundle": None}}, headers=admin)
        assert first.json()["options"] == {"bundle": True}
        assert (second.status_code, second.json()) == (
            200,
            {"id": key["tenant"], "options": {"count_piles": 1}},
        )
        rotated = await http.post(f"{tenant}/webhook_secret", headers=admin)
        assert rotated.status_code == 200 and rotated.json()["webhook_secret"] != key["webhook_secret"]
        assert (await http.patch("/admin/v1/tenants/none", json={}, headers=admin)).status_code == 404


async def test_an_unknown_kind_names_the_known_ones(client: ClientFactory, admin: Admin) -> None:
    async with client() as http:
        plug(http, Shelf().kind)
        for method, path in (("POST", "import/x"), ("GET", "export/x")):
            answer = await http.request(method, f"/admin/v1/{path}", headers=admin)
            assert answer.status_code == 404 and "things" in answer.json()["error"]["message"]
        assert (await http.delete("/admin/v1/things/1", headers=admin)).status_code == 404


@pytest.mark.parametrize("packed", [False, True])
async def test_an_import_answers_as_documented(client: ClientFactory, admin: Admin, packed: bool) -> None:
    shelf = Shelf()
    data = lines("a", "bad", "old") + b"broken"
    async with client() as http:
        plug(http, shelf.kind)
        answer = await http.post(
            "/admin/v1/import/things?known=old",
            content=gzip.compress(data) if packed else data,
            headers={**admin, **({"Content-Encoding": "gzip"} if packed else {})},
        )
        exported = await http.get("/admin/v1/export/things", headers=admin)
    assert answer.status_code == 200
    body = answer.json()
    assert {name: body[name] for name in ("kind", "read", "imported", "skipped")} == {
        "kind": "things",
        "read": 4,
        "imported": 1,
        "skipped": 1,
    }
    assert [error["line"] for error in body["errors"]] == [2, 4] and body["errors"][0][
        "error"
    ] == "name is bad"
    assert exported.text == '{"name":"a"}\n' and exported.headers["content-type"].startswith(
        "application/x-ndjson"
    )


async def test_the_answer_of_a_clean_import_has_all_its_keys(client: ClientFactory, admin: Admin) -> None:
    async with client() as http:
        plug(http, Shelf().kind)
        answer = await http.post("/admin/v1/import/things", headers=admin)
    assert answer.json() == {"kind": "things", "read": 0, "imported": 0, "skipped": 0, "errors": []}


async def test_a_key_to_delete_may_have_slashes(client: ClientFactory, admin: Admin) -> None:
    deleted: list[str] = []

    async def delete(key: str) -> None:
        deleted.append(key)

    async with client() as http:
        plug(http, Kind("images", delete=delete))
        assert (await http.delete("/admin/v1/images/3017620422003/1", headers=admin)).status_code == 204
    assert deleted == ["3017620422003/1"]


async def test_jobs_are_counted_by_kind_and_state(client: ClientFactory, admin: Admin) -> None:
    async with client() as http:
        app: Any = http._transport.app  # type: ignore[attr-defined]
        async with app.database.transaction() as connection:
            await app.jobs.enqueue(connection, "nobody.does.this", {}, delay_s=600)
        answer = await http.get("/admin/v1/jobs", headers=admin)
    (job,) = answer.json()["jobs"]
    assert (job["kind"], job["status"], job["count"]) == ("nobody.does.this", "queued", 1)


async def test_a_null_character_is_a_bad_request_wherever_it_stands(
    client: ClientFactory, admin: Admin
) -> None:
    async with client() as http:
        for method, path, body in (
            ("DELETE", "/admin/v1/keys/%00", None),
            ("PATCH", "/admin/v1/tenants/%00", {}),
            ("POST", "/admin/v1/keys", {"product": "search", "name": "a\x00b", "scopes": ["read"]}),
        ):
            answer = await http.request(method, path, json=body, headers=admin)
            assert answer.status_code in (400, 404), answer.text
