"""The table of recognition errors, row by row, and the order in which faults are told (section 2.1)."""

import asyncio
import contextlib
import threading
import time
import zlib

import httpx
import pytest

from server import errors
from server.search import scan
from server.search.service import ImageSearch
from server.settings import Limits
from tests.server.search import pictures
from tests.server.search.conftest import StartWorker
from tests.server.search.worker import Tenant

PRINT = pictures.jpeg(pictures.print_of(1))
PLAIN = pictures.jpeg(pictures.plain())
SMALL_LIMITS = Limits(query_bytes=60_000, query_pixels=150_000, scans_per_second=2)


def chunk(kind: bytes, data: bytes) -> bytes:
    checksum = zlib.crc32(kind + data).to_bytes(4, "big")
    return len(data).to_bytes(4, "big") + kind + data + checksum


# Declares 20000 x 20000 pixels in a few bytes.
HUGE = (
    b"\x89PNG\r\n\x1a\n"
    + chunk(b"IHDR", (20_000).to_bytes(4, "big") * 2 + b"\x08\x02\0\0\0")
    + chunk(b"IDAT", zlib.compress(b"\0"))
    + chunk(b"IEND", b"")
)


def fault(answer: httpx.Response) -> tuple[int, str, str]:
    body = answer.json()
    assert set(body) == {"error"}
    assert set(body["error"]) <= {"code", "message", "details"}
    return answer.status_code, body["error"]["code"], body["error"]["message"]


MISSING = (401, "TOKEN_MISSING", "Token is missing")
WRONG = (400, "TOKEN_WRONG", "Token should be a 16 characters string")
INVALID = (403, "TOKEN_INVALID", "Token is invalid")
NO_IMAGE = (400, "IMAGE_MISSING", "Image is missing")
TOO_LARGE = (400, "IMAGE_TOO_LARGE", "Image is too large")
NOT_LOADED = (400, "IMAGE_NOT_LOADED", "Image could not be loaded")
TRANSPARENT = (400, "IMAGE_TRANSPARENCY", "Image has transparency")
TOO_SMALL = (400, "IMAGE_TOO_SMALL", "Image is too small")
QUOTA = (403, "SCAN_QUOTA_EXCEEDED", "Scan quota exceeded")
NO_DETAILS = (400, "IMAGE_NO_DETAILS", "Image has no details")


@pytest.mark.parametrize("version", ["v0", "v1", "v2"])
async def test_each_fault_has_its_status_code_and_text(tenant: Tenant, version: str) -> None:
    _, token = await tenant.shelf()
    for sent, image, expected in (
        (None, PRINT, MISSING),
        ("", PRINT, MISSING),
        (" ", PRINT, MISSING),
        ("tooshort", PRINT, WRONG),
        ("x" * 17, PRINT, WRONG),
        ("0123456789abcde!", PRINT, WRONG),
        ("0123456789abcdeé", PRINT, WRONG),
        ("0" * 16, PRINT, INVALID),
        ("z" * 16, PRINT, INVALID),
        (token, None, NO_IMAGE),
        (token, b"", NO_IMAGE),
        (token, b"no picture", NOT_LOADED),
        (token, PRINT[: len(PRINT) // 2], NOT_LOADED),
        (token, pictures.transparent_png(), TRANSPARENT),
        (token, pictures.jpeg(pictures.print_of(1, 99, 300)), TOO_SMALL),
        (token, PLAIN, NO_DETAILS),
    ):
        assert fault(await tenant.search(sent, image, version)) == expected


async def test_a_body_that_is_no_form_has_no_token(tenant: Tenant) -> None:
    for content, kind in (
        (b"", "multipart/form-data; boundary=x"),
        (b"nonsense", "multipart/form-data; boundary=x"),
        (b"nonsense", "multipart/form-data"),
        (b'{"token": "x"}', "application/json"),
        (PRINT, "image/jpeg"),
        (PRINT, ""),
    ):
        answer = await tenant.http.post("/v1/search", content=content, headers={"Content-Type": kind})
        assert fault(answer) == MISSING


async def test_a_form_without_a_picture_has_none(tenant: Tenant) -> None:
    _, token = await tenant.shelf()
    for image in ({}, {"image": ""}, {"image": "data:image/jpeg;base64,"}):
        answer = await tenant.http.post("/v1/search", data={"token": token, **image})
        assert fault(answer) == NO_IMAGE
    for image in ("not a picture at all", "QUJD", "data:image/png;base64,!!!", "A"):
        answer = await tenant.http.post("/v1/search", data={"token": token, "image": image})
        assert fault(answer) == NOT_LOADED


async def test_of_two_faults_the_earlier_in_the_table_is_told(start_worker: StartWorker) -> None:
    async with start_worker(limits=SMALL_LIMITS) as worker:
        tenant = await worker.tenant()
        _, token = await tenant.shelf()
        many_bytes = b"\0garbage" * 10_000
        thin_and_transparent = pictures.transparent_png(90, 90)
        thin_and_plain = pictures.jpeg(pictures.plain(90, 90))
        for sent, image, expected in (
            # token missing -> wrong -> invalid -> image missing -> bytes
            (None, None, MISSING),
            ("short", None, WRONG),
            ("0" * 16, None, INVALID),
            ("0" * 16, many_bytes, INVALID),
            # -> decode -> transparency -> too small
            (token, many_bytes, TOO_LARGE),
            (token, HUGE, TOO_LARGE),
            (token, pictures.jpeg(pictures.plain(500, 500)), TOO_LARGE),
            (token, thin_and_transparent[:-200], NOT_LOADED),
            (token, thin_and_transparent, TRANSPARENT),
            (token, thin_and_plain, TOO_SMALL),
        ):
            assert fault(await tenant.search(sent, image)) == expected
        # -> quota -> no details. Faults before are no scans, so two are left in this second.
        await asyncio.sleep(1.1)
        seen = [fault(await tenant.search(token, PLAIN)) for _ in range(8)]
        assert seen[0] == NO_DETAILS


async def test_a_body_beyond_every_limit_is_a_picture_too_large(start_worker: StartWorker) -> None:
    async with start_worker(limits=SMALL_LIMITS) as worker:
        tenant = await worker.tenant()
        answer = await tenant.search("0" * 16, b"\0" * 3_000_000)
        assert fault(answer) == TOO_LARGE


async def test_too_many_searches_are_told_when_to_come_again(start_worker: StartWorker) -> None:
    async with start_worker(limits=Limits(scans_per_second=1)) as worker:
        tenant = await worker.tenant()
        collection, token = await tenant.shelf("A")
        _, other = await tenant.shelf("B")
        await tenant.reference(collection, 1)
        answers = await asyncio.gather(*(tenant.search(token, PRINT) for _ in range(12)))
        refused = [answer for answer in answers if answer.status_code != 200]
        assert refused and len(refused) < 12
        assert all(fault(answer) == QUOTA for answer in refused)
        assert all(int(answer.headers["retry-after"]) >= 1 for answer in refused)
        # Another token has its own, and neither a look at the clock nor a dry search counts.
        assert (await tenant.search(other, PRINT)).status_code == 200
        assert (await tenant.http.post("/v1/timestamp", data={"token": token})).status_code == 200
        assert (await tenant.search(token, PRINT, dry="true")).status_code == 200


async def test_a_full_queue_is_busy(start_worker: StartWorker) -> None:
    async with start_worker(limits=Limits(work_queue=1)) as worker:
        tenant = await worker.tenant()
        collection, token = await tenant.shelf()
        await tenant.reference(collection, 1)
        release = threading.Event()
        blocked = [asyncio.create_task(worker.pool.run(release.wait)) for _ in range(worker.pool.threads + 1)]
        await asyncio.sleep(0)
        try:
            answer = await tenant.search(token, PRINT)
        finally:
            release.set()
        await asyncio.gather(*blocked)
        assert fault(answer)[:2] == (503, "SERVER_BUSY")
        assert int(answer.headers["retry-after"]) >= 1


async def test_a_search_that_takes_too_long_is_busy(
    start_worker: StartWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.search.routes.SEARCH_TIMEOUT_S", 0.2)
    async with start_worker() as worker:
        tenant = await worker.tenant()
        _, token = await tenant.shelf()
        release = threading.Event()
        blocked = [asyncio.create_task(worker.pool.run(release.wait)) for _ in range(worker.pool.threads)]
        await asyncio.sleep(0)
        try:
            answer = await tenant.search(token, PRINT)
        finally:
            release.set()
        await asyncio.gather(*blocked)
        assert fault(answer)[:2] == (503, "SERVER_BUSY")


async def test_any_other_fault_tells_nothing(start_worker: StartWorker) -> None:
    def break_it(search: ImageSearch) -> None:
        async def broken(*_: object) -> None:
            raise RuntimeError("secret")

        search.collections.ready = broken  # type: ignore[method-assign, assignment]

    async with start_worker(wrap=break_it) as worker:
        tenant = await worker.tenant()
        _, token = await tenant.shelf()
        answer = await tenant.search(token, PRINT)
        assert fault(answer) == (500, "SERVER_ERROR", "Internal server error")


def test_binary_pictures_are_never_taken_for_text() -> None:
    for data in (PRINT, pictures.png(pictures.print_of(1)), b"GIF89a\x00", b"BM\x00"):
        assert scan.picture(data) == data


@pytest.mark.parametrize("data", [b"A", b"data:;base64,AAAAA", b"data:;base64,\xff"])
def test_broken_base64_is_no_picture(data: bytes) -> None:
    with pytest.raises(errors.ImageError):
        scan.picture(data)


@pytest.mark.parametrize("data", [b" " * 3_000_000 + b"!", b"A" * 3_000_000 + b"!", b"\n" * 3_000_000])
def test_what_only_looks_like_base64_is_told_apart_in_no_time(data: bytes) -> None:
    started = time.process_time()
    with contextlib.suppress(errors.ImageError):
        scan.picture(data)
    assert time.process_time() - started < 2  # trying every way to split the blanks would take days
