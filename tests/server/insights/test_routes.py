"""The routes that ask nothing, and what holds for all of them."""

import httpx


async def test_the_status_asks_no_other_part(http: httpx.AsyncClient) -> None:
    answer = await http.get("/api/v1/status/")
    assert (answer.status_code, answer.json()) == (200, {"status": "running"})


async def test_crawlers_are_sent_away(http: httpx.AsyncClient) -> None:
    answer = await http.get("/robots.txt")
    assert answer.headers["content-type"].startswith("text/plain")
    assert answer.text.splitlines() == ["User-agent: *", "Disallow: /"]


async def test_an_unknown_path_is_refused_in_this_apis_words(http: httpx.AsyncClient) -> None:
    answer = await http.get("/api/v1/nothing")
    assert (answer.status_code, answer.json()) == (404, {"title": "404 Not Found"})


async def test_another_method_is_refused_to_the_letter(http: httpx.AsyncClient) -> None:
    answer = await http.post("/api/v1/status")
    assert (answer.status_code, answer.json()) == (405, {"title": "405 Method Not Allowed"})
    assert "GET" in answer.headers["allow"]
