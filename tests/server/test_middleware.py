"""What holds for every request: id, deadline, readiness, CORS, timing, HEAD, faults, the access log."""

import asyncio
import json
import logging
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from litestar import Litestar, Request, Response, get, post
from litestar.exceptions import LitestarException
from litestar.response import Stream

from server import errors, logs
from server.cors import Cors, Policy
from server.envelopes import Envelopes
from server.health import Health
from server.metrics import Metrics
from server.middleware import Middleware, deadline_of


class Rig:
    """The middleware around a few routes."""

    def __init__(self, timeout_s: float = 30.0, cors: Cors | None = None) -> None:
        self.health, self.metrics = Health(), Metrics()
        self.health.is_started = True
        envelopes = Envelopes({"/v1": words})
        litestar = Litestar(
            [hello, fails, reads, writes, hangs, remaining, stream_fails, who],
            exception_handlers={Exception: envelopes.handle},
            logging_config=None,
        )
        self.app = Middleware(
            litestar,
            timeout_s=timeout_s,
            parts=("/v1",),
            health=self.health,
            metrics=self.metrics,
            envelopes=envelopes,
            cors=cors or Cors({"/v1": Policy(("POST", "OPTIONS"))}),
        )

    @asynccontextmanager
    async def http(self) -> AsyncIterator[httpx.AsyncClient]:
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)  # type: ignore[arg-type]
        async with httpx.AsyncClient(transport=transport, base_url="http://test.local") as client:
            yield client


def words(error: errors.AisleError, request_id: str) -> Response[Any]:
    return Response({"said": error.code}, status_code=error.status)


@get("/hello")
async def hello() -> str:
    return "hello"


@get("/who")
async def who() -> dict[str, str]:
    return {"id": logs.request_id.get(), "traceparent": logs.traceparent.get()}


@post("/v1/fails")
async def fails() -> str:
    raise RuntimeError("password=hunter2")


@get("/v1/both")
async def reads() -> str:
    return ""


@post("/v1/both")
async def writes() -> str:
    return ""


@get("/v1/hangs")
async def hangs() -> str:
    await asyncio.sleep(60)
    return ""


@get("/remaining")
async def remaining(request: Request[Any, Any, Any]) -> float:
    return deadline_of(request).remaining_s()


@get("/v1/stream")
async def stream_fails() -> Stream:
    async def rows() -> AsyncIterator[bytes]:
        yield b"first"
        raise RuntimeError("in the middle")

    return Stream(rows())


async def test_every_answer_has_an_id_and_a_timing() -> None:
    async with Rig().http() as http:
        for method, path in (
            ("GET", "/hello"),
            ("GET", "/nowhere"),
            ("PUT", "/hello"),
            ("POST", "/v1/fails"),
        ):
            answer = await http.request(method, path)
            assert re.fullmatch(r"[0-9a-f]{32}", answer.headers["x-request-id"])
            assert re.search(r"total;dur=[0-9.]+", answer.headers["server-timing"])


async def test_a_sane_id_of_the_client_is_kept() -> None:
    async with Rig().http() as http:
        assert (await http.get("/who", headers={"X-Request-Id": "abc-1"})).json()["id"] == "abc-1"
        odd = await http.get("/who", headers={"X-Request-Id": 'a"b'})
        assert odd.json()["id"] == odd.headers["x-request-id"] != 'a"b'


async def test_a_valid_traceparent_is_known_to_whoever_calls_on() -> None:
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    async with Rig().http() as http:
        assert (await http.get("/who", headers={"traceparent": trace})).json()["traceparent"] == trace
        assert (await http.get("/who", headers={"traceparent": "x\ty"})).json()["traceparent"] == ""


async def test_faults_are_told_in_the_product_s_words_without_internals(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with Rig().http() as http:
        answer = await http.post("/v1/fails")
    assert answer.status_code == 500 and answer.json() == {"said": "INTERNAL_ERROR"}
    assert "hunter2" in caplog.text and "hunter2" not in answer.text


async def test_not_found_and_wrong_method_use_the_product_s_words_too() -> None:
    async with Rig().http() as http:
        missing, wrong = await http.get("/v1/nowhere"), await http.get("/v1/fails")
        plain = await http.get("/nowhere")
    assert (missing.status_code, missing.json()) == (404, {"said": "NOT_FOUND"})
    assert (wrong.status_code, wrong.json()) == (405, {"said": "METHOD_NOT_ALLOWED"})
    assert set(wrong.headers["allow"].split(", ")) == {"POST", "OPTIONS"}
    assert plain.json()["error"]["request_id"] == plain.headers["x-request-id"]


async def test_work_past_the_deadline_is_cancelled_and_told() -> None:
    async with Rig(timeout_s=0.01).http() as http:
        answer = await http.get("/v1/hangs")
    assert (answer.status_code, answer.json()) == (504, {"said": "DEADLINE_EXCEEDED"})


async def test_a_client_may_shorten_the_deadline_but_not_lengthen_it() -> None:
    async with Rig(timeout_s=20).http() as http:
        shorter = await http.get("/remaining", headers={"X-Request-Timeout-S": "5"})
        longer = await http.get("/remaining", headers={"X-Request-Timeout-S": "500"})
        assert shorter.json() <= 5 and 5 < longer.json() <= 20
        for bad in ("soon", "-1", "0", "nan"):
            answer = await http.get("/remaining", headers={"X-Request-Timeout-S": bad})
            assert answer.status_code == 400


async def test_nothing_but_operation_is_answered_before_the_start() -> None:
    rig = Rig()
    rig.health.is_started = False
    async with rig.http() as http:
        answer = await http.get("/v1/hangs")
    assert (answer.status_code, answer.json()) == (503, {"said": "NOT_READY"})
    assert int(answer.headers["retry-after"]) >= 1


async def test_head_says_what_get_would_without_a_body() -> None:
    async with Rig().http() as http:
        answer = await http.head("/hello")
        missing = await http.head("/nowhere")
    assert answer.status_code == 200 and answer.content == b"" and answer.headers["content-length"] == "5"
    assert missing.status_code == 404 and missing.content == b""


async def test_while_draining_connections_are_closed_after_the_answer() -> None:
    rig = Rig()
    async with rig.http() as http:
        assert "connection" not in (await http.get("/hello")).headers
        rig.health.is_draining = True
        answer = await http.get("/hello")
    assert answer.status_code == 200 and answer.headers["connection"] == "close"


async def test_cors_is_on_every_answer_under_the_prefix() -> None:
    rig = Rig()
    async with rig.http() as http:
        asks = {"Origin": "https://a.example", "Access-Control-Request-Method": "POST"}
        preflight = await http.options("/v1/fails", headers=asks)
        assert preflight.status_code == 204 and preflight.headers["access-control-max-age"] == "86400"
        for answer in (preflight, await http.post("/v1/fails"), await http.get("/v1/nowhere")):
            assert answer.headers["access-control-allow-origin"] == "*"
        assert "access-control-allow-origin" not in (await http.get("/hello")).headers
        rig.health.is_started = False
        assert (await http.post("/v1/fails")).headers["access-control-allow-origin"] == "*"


async def test_requests_in_flight_are_counted_until_they_end() -> None:
    rig = Rig()
    async with rig.http() as http:
        waiting = asyncio.create_task(http.get("/v1/hangs"))
        async with asyncio.timeout(10):
            while rig.app.in_flight == 0:
                await asyncio.sleep(0.001)
        assert b"aisle_requests_in_flight 1.0" in rig.metrics.render()
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        await http.post("/v1/fails")
    assert rig.app.in_flight == 0 and b"aisle_requests_in_flight 0.0" in rig.metrics.render()
    assert b'aisle_requests_total{part="/v1",status="500"} 1.0' in rig.metrics.render()


async def test_an_answer_that_fails_in_the_middle_breaks_the_connection() -> None:
    transport = httpx.ASGITransport(Rig().app)  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=transport, base_url="http://test.local") as http:
        with pytest.raises(LitestarException, match="after response started"):
            await http.get("/v1/stream")


async def test_the_access_log_has_the_path_but_neither_query_nor_body(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.INFO, logger="access"):
        async with Rig().http() as http:
            await http.post("/v1/fails?api_key=secret-key", content=b"secret body")
    (record,) = (record for record in caplog.records if record.name == "access")
    line = json.loads(logs.JsonFormatter().format(record))
    assert (line["method"], line["path"], line["status"], line["bytes_in"]) == ("POST", "/v1/fails", 500, 11)
    assert line["ms"] >= 0 and "secret" not in json.dumps(line)


async def test_with_credentials_the_origin_comes_back_whatever_the_answer() -> None:
    rig, origin = Rig(cors=Cors({"/v1": Policy(("GET",), credentials=True)})), "https://a.example"
    async with rig.http() as http:
        for method, path in (("POST", "/v1/fails"), ("GET", "/v1/fails"), ("GET", "/v1/nowhere")):
            answer = await http.request(method, path, headers={"Origin": origin})
            assert answer.status_code >= 400
            assert answer.headers["access-control-allow-origin"] == origin
            assert answer.headers["access-control-allow-credentials"] == "true"
            assert "Origin" in answer.headers.get_list("vary")
        assert "access-control-allow-origin" not in (await http.get("/v1/fails")).headers
        assert (
            "access-control-allow-origin"
            not in (await http.get("/hello", headers={"Origin": origin})).headers
        )


async def test_with_credentials_a_preflight_is_an_empty_200_with_the_routers_methods() -> None:
    rig = Rig(cors=Cors({"/v1": Policy(("GET", "PUT"), credentials=True)}))
    rig.health.is_started = False
    asks = {
        "Origin": "https://a.example",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization, x-a",
    }
    async with rig.http() as http:
        answer = await http.options("/v1/both", headers=asks)
        assert (answer.status_code, answer.content) == (200, b"")
        assert set(answer.headers["access-control-allow-methods"].split(", ")) == {"GET", "OPTIONS", "POST"}
        assert answer.headers["access-control-allow-headers"] == "authorization, x-a"
        assert answer.headers["access-control-allow-origin"] == "https://a.example"
        assert answer.headers["access-control-max-age"] == "86400"
        assert "allow" not in answer.headers
        rig.health.is_started = True
        unknown = await http.options("/v1/nowhere", headers=asks)
        assert unknown.status_code == 404
        assert unknown.headers["access-control-allow-origin"] == "https://a.example"
