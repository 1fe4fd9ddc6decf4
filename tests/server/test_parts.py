"""Parts bound to routes: no dependency is left to resolve, and everything else stays as it was."""

from typing import Any

import httpx
from litestar import Litestar, Request, get
from litestar.di import NamedDependency as Given
from litestar.di import Provide
from litestar.params import FromPath

from server.parts import bound


class Part:
    """Something made once per process."""

    def __init__(self, name: str) -> None:
        self.name = name


async def asked_of(request: Request[Any, Any, Any]) -> str:
    return request.url.query


@get("/shown/{number:int}")
async def shown(
    request: Request[Any, Any, Any],
    number: FromPath[int],
    first: Given[Part],
    asked: Given[str],
    second: Given[Part],
) -> list[str]:
    """A route with all kinds of parameters."""
    return [request.method, str(number), first.name, asked, second.name]


@get("/bare")
async def bare() -> str:
    return "bare"


def application(*names: str) -> httpx.AsyncClient:
    parts = {"first": Part(names[0]), "second": Part(names[1]), "unused": Part("")}
    app = Litestar(
        bound([shown, bare], parts), dependencies={"asked": Provide(asked_of)}, logging_config=None
    )
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test.local")  # type: ignore[arg-type]


async def test_a_route_gets_its_parts_beside_what_the_request_says() -> None:
    async with application("a", "b") as http:
        assert (await http.get("/shown/7?x=1")).json() == ["GET", "7", "a", "x=1", "b"]
        assert (await http.get("/bare")).text == "bare"
        assert (await http.get("/shown/x")).status_code == 404


async def test_the_same_routes_serve_two_applications() -> None:
    async with application("a", "b") as one, application("c", "d") as other:
        assert (await one.get("/shown/1")).json()[2::2] == ["a", "b"]
        assert (await other.get("/shown/1")).json()[2::2] == ["c", "d"]


def test_nothing_is_left_to_resolve_but_what_is_asked() -> None:
    (handler,) = bound([shown], {"first": Part("a"), "second": Part("b")})
    assert set(handler.fn.__annotations__) == {"request", "number", "asked", "return"}
    assert handler.fn.__doc__ == shown.fn.__doc__
