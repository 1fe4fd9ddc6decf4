"""Fetching from strangers' addresses: who may be reached, how much, how long."""

import asyncio
import gzip
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web

from server import errors, logs
from server.deadline import Deadline
from server.fetch import Fetcher, is_public
from server.settings import Settings

SOON = 20.0


class Site:
    """A local web server; `seen` are the requests it got."""

    def __init__(self) -> None:
        self.seen: list[web.Request] = []
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.seen.append(request)
        path = request.path
        if path == "/hops":
            left = int(request.query["n"])
            return web.Response(
                status=302, headers={"Location": f"/hops?n={left - 1}" if left else "/picture"}
            )
        if path == "/to":
            return web.Response(status=307, headers={"Location": request.query["url"]})
        if path == "/slow":
            await asyncio.sleep(60)
        if path == "/gzip":
            return web.Response(body=gzip.compress(b"0" * 10_000_000), headers={"Content-Encoding": "gzip"})
        if path == "/stream":
            response = web.StreamResponse()
            await response.prepare(request)
            for _ in range(100):
                await response.write(b"0" * 1000)
            return response
        if path == "/missing":
            return web.Response(status=404)
        if path == "/hook":
            return web.Response(status=202, text=await request.text())
        response = web.Response(body=b"picture", content_type="image/jpeg")
        response.set_cookie("seen", "1")
        return response


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    site = Site()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", site.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    site.port = runner.addresses[0][1]
    yield site
    await runner.cleanup()


@pytest.fixture
async def fetcher() -> AsyncIterator[Fetcher]:
    fetcher = Fetcher(Settings(fetch_allow_private=True))
    await fetcher.open()
    yield fetcher
    await fetcher.close()


@pytest.fixture
async def public_only() -> AsyncIterator[Fetcher]:
    fetcher = Fetcher(Settings())
    await fetcher.open()
    yield fetcher
    await fetcher.close()


async def get(fetcher: Fetcher, url: str, max_bytes: int = 50_000, seconds: float = SOON) -> Any:
    return await fetcher.get(url, max_bytes=max_bytes, deadline=Deadline.after(seconds))


async def test_a_body_comes_with_its_claimed_type_and_last_address(fetcher: Fetcher, site: Site) -> None:
    fetched = await get(fetcher, f"{site.url}/hops?n=2")
    assert fetched == (b"picture", "image/jpeg", f"{site.url}/picture")


async def test_redirects_end_somewhere(fetcher: Fetcher, site: Site) -> None:
    with pytest.raises(errors.Unprocessable, match="redirects"):
        await get(fetcher, f"{site.url}/hops?n=100")


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "localhost",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "127.1",
        "0",
        "0.0.0.0",
        "10.0.0.1",
        "169.254.169.254",
        "192.168.1.1",
        "[fe80::1]",
        "[fd00::1]",
        "[64:ff9b::7f00:1]",
    ],
)
async def test_private_addresses_are_refused_however_they_are_written(
    public_only: Fetcher, site: Site, host: str
) -> None:
    with pytest.raises((errors.Forbidden, errors.Unprocessable)):
        await get(public_only, f"http://{host}:{site.port}/picture")
    assert site.seen == []


async def test_a_name_that_resolves_inside_is_refused_at_connect_time(
    public_only: Fetcher, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The name looks public to whoever checks it first; what counts is the address of the socket."""
    loop = asyncio.get_running_loop()

    async def resolve(host: str, port: Any, **_: Any) -> Any:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", site.port))]

    monkeypatch.setattr(loop, "getaddrinfo", resolve)
    with pytest.raises(errors.Forbidden) as caught:
        await get(public_only, f"http://images.example:{site.port}/picture")
    assert "127" not in caught.value.message
    assert site.seen == []


@pytest.mark.parametrize("target", ["file:///etc/passwd", "gopher://127.0.0.1/", "http://user:pw@127.0.0.1/"])
async def test_every_hop_is_checked(fetcher: Fetcher, site: Site, target: str) -> None:
    with pytest.raises(errors.BadRequest):
        await get(fetcher, f"{site.url}/to?url={target}")


async def test_a_redirect_off_the_list_of_hosts_is_refused(site: Site) -> None:
    settings = Settings(fetch_allow_private=True, fetch_allowed_hosts=(f"127.0.0.1:{site.port}",))
    fetcher = Fetcher(settings)
    await fetcher.open()
    assert (await get(fetcher, f"{site.url}/to?url=/picture")).data == b"picture"
    with pytest.raises(errors.Forbidden, match="list of allowed hosts"):
        await get(fetcher, f"{site.url}/to?url=http://localhost:{site.port}/picture")
    await fetcher.close()


@pytest.mark.parametrize(
    ("allowed", "url", "is_allowed"),
    [
        ("a.example", "http://a.example/x", True),
        ("a.example", "http://A.Example:81/x", True),
        ("a.example", "http://xa.example/", False),
        ("a.example", "http://a.example.evil/", False),
        ("a.example", "http://sub.a.example/", False),
        ("a.example", "http://evil#@a.example/", False),
        ("a.example:443", "https://a.example/", True),
        ("a.example:443", "http://a.example/", False),
        ("[::1]:80", "http://[::1]/", True),
    ],
)
def test_hosts_match_exactly(allowed: str, url: str, is_allowed: bool) -> None:
    fetcher = Fetcher(Settings(fetch_allowed_hosts=(allowed,)))
    if is_allowed:
        fetcher.check(url)
        return
    with pytest.raises((errors.Forbidden, errors.BadRequest)):
        fetcher.check(url)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "picture.jpg",
        "//a.example/x",
        "ftp://a.example/",
        "http://",
        "http:///x",
        "http://a b/",
        "http://[::1",
        "http://a.example:99999/",
        "http://a.example/\r\nX: y",
        "http://a.example/" + "a" * 2100,
        "data:,x",
    ],
)
def test_what_is_no_web_address_is_a_bad_request(url: str) -> None:
    with pytest.raises(errors.BadRequest):
        Fetcher(Settings()).check(url)


@pytest.mark.parametrize("path", ["/picture", "/stream"])
async def test_bytes_are_capped_whether_the_length_is_told_or_not(
    fetcher: Fetcher, site: Site, path: str
) -> None:
    with pytest.raises(errors.BodyTooLarge, match="limit of 5 bytes"):
        await get(fetcher, site.url + path, max_bytes=5)


async def test_exactly_the_limit_is_allowed(fetcher: Fetcher, site: Site) -> None:
    assert len((await get(fetcher, f"{site.url}/stream", max_bytes=100_000)).data) == 100_000


async def test_a_compressed_answer_is_not_unpacked(fetcher: Fetcher, site: Site) -> None:
    with pytest.raises(errors.Unprocessable, match="compressed"):
        await get(fetcher, f"{site.url}/gzip")
    assert site.seen[0].headers["Accept-Encoding"] == "identity"


async def test_time_is_capped(fetcher: Fetcher, site: Site) -> None:
    with pytest.raises(errors.DeadlineExceeded):
        await get(fetcher, f"{site.url}/slow", seconds=0.1)


async def test_refusal_and_silence_of_the_other_side_are_unprocessable(fetcher: Fetcher, site: Site) -> None:
    with pytest.raises(errors.Unprocessable, match="404"):
        await get(fetcher, f"{site.url}/missing")
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        with pytest.raises(errors.Unprocessable, match="could not be fetched"):
            await get(fetcher, f"http://127.0.0.1:{closed.getsockname()[1]}/")


async def test_no_cookies_no_proxies_but_the_trace_goes_along(
    fetcher: Fetcher, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    token = logs.traceparent.set(trace)
    try:
        for _ in range(2):
            await get(fetcher, f"{site.url}/picture")
    finally:
        logs.traceparent.reset(token)
    assert [request.headers.get("Cookie") for request in site.seen] == [None, None]
    assert site.seen[0].headers["traceparent"] == trace


async def test_a_webhook_is_posted_and_its_redirect_not_followed(fetcher: Fetcher, site: Site) -> None:
    deadline = Deadline.after(SOON)
    assert (
        await fetcher.post(f"{site.url}/hook", b"{}", headers={"X-Signature": "s"}, deadline=deadline) == 202
    )
    assert site.seen[0].headers["X-Signature"] == "s"
    assert await fetcher.post(f"{site.url}/to?url=/hook", b"{}", headers={}, deadline=deadline) == 307
    assert len(site.seen) == 2


async def test_a_webhook_may_not_reach_inside(public_only: Fetcher, site: Site) -> None:
    with pytest.raises(errors.Forbidden):
        await public_only.post(f"{site.url}/hook", b"", headers={}, deadline=Deadline.after(SOON))
    assert site.seen == []


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("8.8.8.8", True),
        ("2001:4860:4860::8888", True),
        ("64:ff9b::808:808", True),
        ("100.64.0.1", False),
        ("198.18.0.1", False),
        ("224.0.0.1", False),
        ("255.255.255.255", False),
        ("240.0.0.1", False),
        ("2002:7f00:1::", False),
        ("2001:0:7f00:1::", False),
        ("fe80::1%eth0", False),
        ("ff02::1", False),
        ("::", False),
        ("not an address", False),
    ],
)
def test_public_means_routable_and_not_a_disguise(address: str, expected: bool) -> None:
    assert is_public(address) is expected
