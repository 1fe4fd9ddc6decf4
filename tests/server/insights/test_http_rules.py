"""What holds for every route under /api/v1: origins, methods, slashes, refusals, hostile parameters (contract 1.0)."""

import itertools

import httpx
import pytest

from server.db import Database
from server.insights.parameters import Parameters
from tests.server.insights import rows
from tests.server.insights.worker import Worker

API = "/api/v1"
ORIGIN = {"Origin": "https://hunger.example"}
# A path of every kind with its methods.
METHODS = {
    "/insights": {"GET"},
    "/insights/17": {"GET"},
    "/insights/detail/3cd5aecd-edcc-4237-87d0-6595fc4e53c9": {"GET"},
    "/insights/annotate": {"POST"},
    "/image_predictions/import": {"POST"},
    "/batch/import": {"POST"},
    "/products/dataset": {"GET", "POST"},
    "/status": {"GET"},
}
LISTS = (
    "/insights",
    "/insights/random",
    "/insights/17",
    "/insights/dump",
    "/predictions",
    "/image_predictions",
)
HOSTILE = [
    "%00",
    "%ED%A0%80",
    "%ff%fe",
    "\u202e%F0%9F%8D%95",
    "%27%3B%20DROP%20TABLE%20prediction",
    "x" * 2_000,
    "%25%28%29%7B%7D",
    "{0}",
    "$1",
]
NAMES = (
    "insight_types",
    "types",
    "barcode",
    "value_tag",
    "predictor",
    "brands",
    "campaigns",
    "lc",
    "countries",
    "device_id",
    "order_by",
    "server_type",
    "count",
    "page",
    "annotated",
    "type",
    "model_name",
    "model_version",
    "image_id",
    "min_confidence",
    "with_logo",
)
UNUSABLE = [
    ("count=x", 'The "count" parameter is invalid. The value must be an integer.'),
    ("count=1.5", 'The "count" parameter is invalid. The value must be an integer.'),
    ("count=0", 'The "count" parameter is invalid. The value must be at least 1'),
    ("count=-3", 'The "count" parameter is invalid. The value must be at least 1'),
    ("page=-1", 'The "page" parameter is invalid. The value must be at least 0'),
    (f"page={'9' * 5000}", 'The "page" parameter is invalid. The value must be an integer.'),
    (
        "annotated=maybe",
        'The "annotated" parameter is invalid. The value of the parameter must be "true" or "false".',
    ),
    ("annotation=yes", 'The "annotation" parameter is invalid. The value must be an integer.'),
    ("value_tag=%00", 'The "value_tag" parameter is invalid. It must not contain null characters.'),
    ("brands=a,%00", 'The "brands" parameter is invalid. It must not contain null characters.'),
]
REFUSED: list[tuple[str, dict[str, str]]] = [
    ("server_type=xyz", {"title": "invalid `server_type`: xyz"}),
    ("server_type=off-pro", {"title": "invalid `server_type`: off-pro"}),
    (
        "countries=fr,xx",
        {"title": "400 Bad Request", "description": "invalid `countries` value: ['xx']"},
    ),
    ("&".join(["a=1"] * 5000), {"title": "400 Bad Request", "description": "more than 2000 parameters"}),
]


async def test_the_origin_comes_back_on_every_answer(http: httpx.AsyncClient) -> None:
    paths = ("/insights", "/insights?count=x", "/nowhere", "/status")
    for path, method in itertools.product(paths, ("GET", "POST")):
        answer = await http.request(method, f"{API}{path}", headers=ORIGIN)
        assert answer.headers["access-control-allow-origin"] == ORIGIN["Origin"]
        assert answer.headers["access-control-allow-credentials"] == "true"
        assert "Origin" in ", ".join(answer.headers.get_list("vary"))
        plain = await http.request(method, f"{API}{path}")
        assert "access-control-allow-origin" not in plain.headers
        assert "access-control-allow-credentials" not in plain.headers


async def test_a_preflight_tells_the_methods_of_its_path(http: httpx.AsyncClient) -> None:
    asks = ORIGIN | {"Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "x-a, x-b"}
    for path, methods in METHODS.items():
        answer = await http.options(f"{API}{path}/", headers=asks)
        assert (answer.status_code, answer.content) == (200, b"")
        told = set(answer.headers["access-control-allow-methods"].split(", "))
        assert told - {"OPTIONS"} == methods
        assert answer.headers["access-control-allow-headers"] == "x-a, x-b"
        assert answer.headers["access-control-allow-origin"] == ORIGIN["Origin"]
        assert answer.headers["access-control-allow-credentials"] == "true"
        assert answer.headers["access-control-max-age"] == "86400"
        assert "allow" not in answer.headers


async def test_another_method_is_405_to_the_letter(http: httpx.AsyncClient) -> None:
    for path, methods in METHODS.items():
        for method in {"GET", "POST", "PUT", "DELETE", "PATCH"} - methods:
            answer = await http.request(method, f"{API}{path}")
            assert (answer.status_code, answer.json()) == (405, {"title": "405 Method Not Allowed"})
            assert set(answer.headers["allow"].split(", ")) - {"OPTIONS"} == methods


async def test_what_is_not_there_is_404_to_the_letter(http: httpx.AsyncClient) -> None:
    for path in (
        "",
        "/nowhere",
        "/insights/detail",
        "/insights/detail/x",
        "/insights/a/b",
        "/products",
        "/x/y/%00",
    ):
        answer = await http.get(f"{API}{path}")
        assert (answer.status_code, answer.json()) == (404, {"title": "404 Not Found"}), path


async def test_a_path_without_its_prefix_gets_a_hint(http: httpx.AsyncClient) -> None:
    paths = ("/insights", "/insights/random", "/questions/123", "/predictions/", "/ann/search")
    for path, method in itertools.product(paths, ("GET", "POST")):
        answer = await http.request(method, path, headers=ORIGIN)
        assert (answer.status_code, answer.json()["title"]) == (404, "404 Not Found")
        assert f"/api/v1{path.rstrip('/')}" in answer.json()["description"]
        assert answer.headers["access-control-allow-origin"] == ORIGIN["Origin"]


async def test_head_says_what_get_says_without_a_body(http: httpx.AsyncClient, database: Database) -> None:
    await rows.add_insight(database)
    for path in ("/insights", "/status", "/insights/dump", "/nowhere"):
        got, headed = await http.get(f"{API}{path}"), await http.head(f"{API}{path}")
        assert headed.status_code == got.status_code and headed.content == b""
        assert headed.headers["content-type"] == got.headers["content-type"]


async def test_a_single_trailing_slash_changes_nothing(http: httpx.AsyncClient) -> None:
    for path in LISTS:
        bare, slashed = await http.get(f"{API}{path}"), await http.get(f"{API}{path}/?count=5")
        assert (bare.status_code, bare.content) == (slashed.status_code, slashed.content), path


async def test_an_unusable_parameter_is_named(http: httpx.AsyncClient) -> None:
    for query, description in UNUSABLE:
        answer = await http.get(f"{API}/insights?{query}")
        assert answer.json() == {"title": "Invalid parameter", "description": description}
        assert answer.status_code == 400


async def test_the_other_refusals_have_their_own_words(http: httpx.AsyncClient) -> None:
    for query, body in REFUSED:
        answer = await http.get(f"{API}/insights?{query}")
        assert (answer.status_code, answer.json()) == (400, body)


async def test_numbers_beyond_every_column_find_nothing(http: httpx.AsyncClient, database: Database) -> None:
    await rows.add_insight(database)
    for path in ("/insights", "/predictions", "/image_predictions"):
        for query in (f"count={10**17}", f"page={10**17}", f"page={2**31}&count=2000"):
            assert (await http.get(f"{API}{path}?{query}")).status_code == 200
    assert (await http.get(f"{API}/insights?annotation={10**17}")).json()["insights"] == []
    assert (await http.get(f"{API}/image_predictions?min_confidence=1e308")).json()["count"] == 0


async def test_no_text_makes_the_server_fail(http: httpx.AsyncClient) -> None:
    for text in HOSTILE:
        for path in LISTS:
            answer = await http.get(f"{API}{path}?" + "&".join(f"{name}={text}" for name in NAMES))
            assert answer.status_code < 500, (path, text)
        for path, name in itertools.product(("/insights", "/image_predictions"), NAMES):
            assert (await http.get(f"{API}{path}?{name}={text}")).status_code < 500, (path, name, text)


async def test_no_path_makes_the_server_fail(http: httpx.AsyncClient) -> None:
    paths = ("/insights/{}", "/insights/detail/{}", "/users/statistics/{}", "/products/{}/overview")
    for text, path in itertools.product(HOSTILE, paths):
        assert (await http.get(API + path.replace("{}", text))).status_code < 500, (path, text)


async def test_a_fault_of_ours_shows_nothing_of_itself(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails(*_: object, **__: object) -> None:
        raise RuntimeError("password=hunter2")

    monkeypatch.setattr("server.insights.reading.insight_pages.InsightPages.page", fails)
    answer = await worker.http.get(f"{API}/insights", headers=ORIGIN)
    assert (answer.status_code, answer.json()) == (500, {"title": "500 Internal Server Error"})
    assert answer.headers["access-control-allow-origin"] == ORIGIN["Origin"]


def test_raw_utf8_in_a_query_is_read_as_such() -> None:
    for spelling in ("fr:éclair".encode(), b"fr%3A%C3%A9clair"):
        assert Parameters.of_query(b"value_tag=" + spelling).text("value_tag") == "fr:éclair"
    assert Parameters.of_query(b"value_tag=a%ED%A0%80b\xff").text("value_tag") == "a\ufffd\ufffd\ufffdb\ufffd"
