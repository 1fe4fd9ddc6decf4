"""Calls of a product server over real HTTP, on its good and bad days."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from server.insights.products.edits import AddPackaging, AddTag, SelectImage, SetField, UnselectImage
from server.insights.products.product_calls import Call, calls
from server.insights.products.product_server import ProductServer, ProductUnreadable, base_url
from server.insights.products.products import ProductWriteFailed
from server.insights.voter import Credentials
from tests.server.insights import product_opener_server
from tests.server.insights.product_opener_server import ProductOpenerServer

CODE = "5411041040807"
CALL = Call(path="/cgi/product_jqm2.pl", fields={"code": CODE, "quantity": "1 kg"})


@pytest.fixture
async def opener() -> AsyncIterator[ProductOpenerServer]:
    async with product_opener_server.serve() as fake:
        yield fake


@pytest.fixture
async def server(opener: ProductOpenerServer) -> AsyncIterator[ProductServer]:
    server = ProductServer(opener.url, user="robot", password="secret", timeout_s=10, slow_timeout_s=10)
    await server.open()
    yield server
    await server.close()


def test_edits_become_as_few_calls_as_the_server_needs() -> None:
    edits = [
        SelectImage("1", "nutrition_fr", 90, (1.0, 2.0, 30.0, 40.5)),
        SetField("quantity", "1 kg"),
        AddTag("labels", "en:organic"),
        AddPackaging("en:bottle", "en:glass", None),
        AddTag("labels", "en:vegan"),
        SelectImage("2", "front_fr"),
        UnselectImage("front_en"),
    ]
    assert calls(f"org/{CODE}", edits, "why") == [
        Call(
            path="/cgi/product_jqm2.pl",
            fields={
                "code": CODE, "comment": "why", "quantity": "1 kg", "add_labels": "en:organic,en:vegan"
            },
        ),
        Call(
            path=f"/api/v3/product/{CODE}",
            method="PATCH",
            fields={
                "comment": "why",
                "product": {
                    "packagings_add": [{"shape": {"id": "en:bottle"}, "material": {"id": "en:glass"}}]
                },
            },
        ),
        Call(
            path="/cgi/product_image_crop.pl",
            fields={
                "code": CODE, "imgid": "1", "id": "nutrition_fr", "angle": "90", "x1": "1.0", "y1": "2.0",
                "x2": "30.0", "y2": "40.5", "coordinates_image_size": "full",
            },
            is_slow=True,
        ),
        Call(
            path="/cgi/product_image_crop.pl",
            fields={"code": CODE, "imgid": "2", "id": "front_fr"},
            is_slow=True,
        ),
        Call(
            path="/cgi/product_image_unselect.pl", fields={"code": CODE, "id": "front_en"}, is_slow=True
        ),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("credentials", "signed", "cookie"),
    [
        (None, {"user_id": "robot", "password": "secret"}, None),
        (Credentials("ann", password="p&ä"), {"user_id": "ann", "password": "p&ä"}, None),
        (Credentials("ann", session="user_id&ann"), {}, "user_id&ann"),
    ],
)
async def test_a_write_is_signed_by_who_decided_or_by_the_service_account(
    server: ProductServer,
    opener: ProductOpenerServer,
    credentials: Credentials | None,
    signed: dict[str, str],
    cookie: str | None,
) -> None:
    patch = Call(path=f"/api/v3/product/{CODE}", method="PATCH", fields={"product": {"a": [1]}})
    await server.write("off", CALL, credentials)
    await server.write("off", patch, credentials)
    assert opener.writes == [
        (CALL.path, {**CALL.fields, **signed}, cookie),
        (patch.path, {**patch.fields, **signed}, cookie),
    ]


@pytest.mark.parametrize("trouble", [400, 401, 403, 500, 302, "garbage", "refused", "huge"])
async def test_a_write_that_was_not_done_is_told_without_any_password(
    server: ProductServer, opener: ProductOpenerServer, trouble: int | str
) -> None:
    opener.trouble = trouble
    for call in (CALL, Call(path="/cgi/product_image_crop.pl", fields={"id": "x"}, is_slow=True)):
        with pytest.raises(ProductWriteFailed) as failed:
            await server.write("off", call, Credentials("ann", password="hunter2"))
        assert "hunter2" not in repr(failed.value) and not opener.writes


@pytest.mark.parametrize("trouble", [401, 404, 500, 302, "garbage", "refused", "huge"])
async def test_a_server_that_does_not_say_is_told_from_a_product_that_is_missing(
    server: ProductServer, opener: ProductOpenerServer, trouble: int | str
) -> None:
    opener.products[CODE] = {"code": CODE, "quantity": "1 kg"}
    assert await server.read("off", f"org/{CODE}") == opener.products[CODE]
    assert await server.read("off", "00000001") is None
    opener.trouble = trouble
    with pytest.raises(ProductUnreadable):
        await server.read("off", CODE)


async def test_nobody_waits_longer_than_the_time_allowed(opener: ProductOpenerServer) -> None:
    opener.trouble = "slow"
    server = ProductServer(opener.url, timeout_s=0.2, slow_timeout_s=0.4)
    await server.open()
    with pytest.raises(ProductWriteFailed, match=r"0\.2 s"):
        await server.write("off", CALL, None)
    with pytest.raises(ProductWriteFailed, match=r"0\.4 s"):
        await server.write("off", Call(path="/cgi/product_image_crop.pl", fields={}, is_slow=True), None)
    with pytest.raises(ProductUnreadable):
        await server.read("off", CODE)
    await server.close()


async def test_a_broken_handshake_and_a_silent_port_are_failures(opener: ProductOpenerServer) -> None:
    closed = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = closed.sockets[0].getsockname()[1]
    closed.close()
    await closed.wait_closed()
    for url in (opener.url.replace("http:", "https:"), f"http://127.0.0.1:{port}"):
        server = ProductServer(url, timeout_s=5)
        await server.open()
        with pytest.raises(ProductWriteFailed):
            await server.write("off", CALL, None)
        with pytest.raises(ProductUnreadable):
            await server.read("off", CODE)
        await server.close()


async def test_headers_cannot_be_smuggled_in_by_a_session(
    server: ProductServer, opener: ProductOpenerServer
) -> None:
    with pytest.raises(ProductWriteFailed):
        await server.write("off", CALL, Credentials("a", session="x\r\nX-Evil: 1"))
    assert opener.writes == []


@pytest.mark.parametrize(
    ("url", "server_type", "expected"),
    [
        ("https://world.openfoodfacts.org", "off", "https://world.openfoodfacts.org"),
        ("https://world.openfoodfacts.org", "obf", "https://world.openbeautyfacts.org"),
        ("https://off:off@world.openfoodfacts.net", "opff", "https://off:off@world.openpetfoodfacts.net"),
        ("https://world.openfoodfacts.net", "opf", "https://world.openproductsfacts.net"),
        ("https://world.openfoodfacts.org", "off_pro", "https://world.pro.openfoodfacts.org"),
        ("http://localhost:8080", "obf", "http://localhost:8080"),
        ("https://openfoodfacts.evil.example", "obf", "https://openfoodfacts.evil.example"),
    ],
)
def test_every_project_has_its_own_host_where_the_host_is_known(
    url: str, server_type: str, expected: str
) -> None:
    assert base_url(url, server_type) == expected


async def test_many_calls_at_once_all_end(server: ProductServer, opener: ProductOpenerServer) -> None:
    found: list[Any] = await asyncio.gather(*(server.read("off", str(code)) for code in range(40)))
    assert found == [None] * 40 and len(opener.reads) == 40
