"""What we get from, or send to, addresses that strangers give us.

The address is checked when the socket is made, for every hop, so neither DNS, nor redirects, nor odd
spellings of an address lead inside. Bytes and time are capped; nothing is decompressed; there are no cookies
and no proxies.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urljoin, urlsplit

import aiohttp

from server import errors, logs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from server.deadline import Deadline
    from server.settings import Settings

MAX_REDIRECTS = 5
REDIRECTS = (301, 302, 303, 307, 308)
CONNECTIONS = 64
CONNECT_TIMEOUT_S = 5.0
CHUNK_BYTES = 2**16
USER_AGENT = "Aisle/0.1"
# IPv4 addresses written as IPv6 for translators (RFC 6052).
NAT64 = ipaddress.ip_network("64:ff9b::/96")


class AddressRefused(OSError):
    """The name leads to an address that strangers may not send us to; the text is always the same."""

    def __init__(self) -> None:
        super().__init__("address not allowed")


class Fetched(NamedTuple):
    """A body, what the server claims it is, and where it came from after redirects."""

    data: bytes
    content_type: str
    url: str


class Fetcher:
    """HTTP for addresses that are not ours; open before use, close after."""

    def __init__(self, settings: Settings) -> None:
        self._allowed_hosts = frozenset(settings.fetch_allowed_hosts)
        self._allow_private = settings.fetch_allow_private
        self._max_url_bytes = settings.limits.url_bytes
        self._session: aiohttp.ClientSession | None = None

    async def open(self) -> None:
        """Make the session; connections are made when needed."""
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=CONNECTIONS, socket_factory=self._socket),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,
            headers={"User-Agent": USER_AGENT, "Accept-Encoding": "identity"},
        )

    async def close(self) -> None:
        """Close every connection."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def get(
        self, url: str, *, max_bytes: int, deadline: Deadline, headers: Mapping[str, str] | None = None
    ) -> Fetched:
        """The body behind an address.

        `BadRequest` for an address we do not understand, `Forbidden` for one we may not use, `BodyTooLarge`
        over `max_bytes`, `DeadlineExceeded` when time ends, `Unprocessable` for any other failure.
        """
        for _ in range(MAX_REDIRECTS + 1):
            answer = await self._exchange("GET", url, deadline, headers=headers, max_bytes=max_bytes)
            if isinstance(answer, Fetched):
                return answer
            url = answer
        raise errors.Unprocessable(f"More than {MAX_REDIRECTS} redirects", code="FETCH_FAILED")

    async def post(self, url: str, body: bytes, *, headers: Mapping[str, str], deadline: Deadline) -> int:
        """Send a body and return the status; a redirect is not followed. Errors as in `get`."""
        session = self._ready(url)
        try:
            async with asyncio.timeout(deadline.remaining_s()):
                async with session.post(
                    url,
                    data=body,
                    headers={**_trace(), **headers},
                    allow_redirects=False,
                    timeout=_timeout(deadline),
                ) as answer:
                    return answer.status
        except (aiohttp.ClientError, OSError, ValueError) as fault:
            raise _failed(fault) from fault

    async def _exchange(
        self, method: str, url: str, deadline: Deadline, *, headers: Mapping[str, str] | None, max_bytes: int
    ) -> Fetched | str:
        """One hop: the body, or the address it points to."""
        session = self._ready(url)
        try:
            async with asyncio.timeout(deadline.remaining_s()):
                async with session.request(
                    method,
                    url,
                    headers={**_trace(), **(headers or {})},
                    allow_redirects=False,
                    timeout=_timeout(deadline),
                ) as answer:
                    if answer.status in REDIRECTS and "Location" in answer.headers:
                        return urljoin(url, answer.headers["Location"])
                    return await _read(answer, url, max_bytes)
        except (aiohttp.ClientError, OSError, ValueError) as fault:
            raise _failed(fault) from fault

    def _ready(self, url: str) -> aiohttp.ClientSession:
        self.check(url)
        if self._session is None:
            raise errors.NotReady("Fetching is not open")
        return self._session

    def check(self, url: str) -> None:
        """Refuse an address by its text alone: scheme, length, credentials, host list."""
        if len(url.encode(errors="replace")) > self._max_url_bytes:
            raise errors.BadRequest(f"URL is over the limit of {self._max_url_bytes} bytes", code="BAD_URL")
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError:
            host, port, parts = None, None, urlsplit("")
        if parts.scheme not in ("http", "https") or not host or any(c <= " " for c in url):
            raise errors.BadRequest("URL must be http or https and name a host", code="BAD_URL")
        if parts.username is not None or parts.password is not None:
            raise errors.BadRequest("URL must not carry credentials", code="BAD_URL")
        if self._allowed_hosts:
            shown = f"[{host}]" if ":" in host else host
            numbered = f"{shown}:{port or (443 if parts.scheme == 'https' else 80)}"
            if not self._allowed_hosts & {host, shown, numbered}:
                raise errors.Forbidden("This host is not on the list of allowed hosts")

    def _socket(self, address: Any) -> socket.socket:
        """Called by the connector with the very address it is about to connect to."""
        family, kind, protocol, _, target = address
        if not self._allow_private and not is_public(target[0]):
            raise AddressRefused
        return socket.socket(family, kind, protocol)


def is_public(address: str) -> bool:
    """Whether an address is one of the open internet; what cannot be read is not."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(parsed, ipaddress.IPv6Address):
        inner = parsed.ipv4_mapped or parsed.sixtofour or (parsed.teredo[1] if parsed.teredo else None)
        if parsed in NAT64:
            inner = ipaddress.IPv4Address(int(parsed) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(str(inner))
    return parsed.is_global and not parsed.is_multicast and not parsed.is_reserved


async def _read(answer: aiohttp.ClientResponse, url: str, max_bytes: int) -> Fetched:
    if answer.status != 200:
        raise errors.Unprocessable(f"The server answered {answer.status}", code="FETCH_FAILED")
    if answer.headers.get("Content-Encoding", "identity").lower() not in ("", "identity"):
        # We asked for none; undoing it would let a small answer become a huge one.
        raise errors.Unprocessable("The server sent a compressed answer", code="FETCH_FAILED")
    declared = answer.content_length
    received = bytearray()
    if declared is None or declared <= max_bytes:
        async for chunk in answer.content.iter_chunked(CHUNK_BYTES):
            received += chunk
            if len(received) > max_bytes:
                break
        else:
            return Fetched(bytes(received), answer.content_type, url)
    answer.close()
    raise errors.BodyTooLarge(
        f"The answer is over the limit of {max_bytes} bytes", details={"limit": max_bytes}
    )


def _timeout(deadline: Deadline) -> aiohttp.ClientTimeout:
    left_s = deadline.remaining_s()
    return aiohttp.ClientTimeout(total=None, sock_connect=min(left_s, CONNECT_TIMEOUT_S) or 0.001)


def _trace() -> dict[str, str]:
    value = logs.traceparent.get()
    return {"traceparent": value} if value else {}


def _failed(fault: Exception) -> errors.AisleError:
    """Told apart only as far as a stranger may know: not which address refused us, nor how."""
    if isinstance(fault, aiohttp.ClientConnectorError) and isinstance(fault.os_error, AddressRefused):
        return errors.Forbidden("The address is not allowed")
    if isinstance(fault, TimeoutError):
        return errors.DeadlineExceeded("The other server took too long")
    return errors.Unprocessable("The address could not be fetched", code="FETCH_FAILED")
