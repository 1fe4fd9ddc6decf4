"""HTTP to the operator's product server: reading products and writing to them (contract 2.4, PO calls).

The address is the operator's own, so it may be private; bytes, time and the number of calls are bounded.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

import aiohttp
import msgspec

from server.insights.products import product_calls
from server.insights.products.products import ProductWriteFailed

if TYPE_CHECKING:
    from server.insights.products.product_calls import Call
    from server.insights.voter import Credentials

READ_PATH = "/api/v2/product/"
LOGIN_PATH = "/cgi/auth.pl"
USER_AGENT = "Aisle/0.1"
# Calls under way at once, in a process.
CONNECTIONS = 8
TIMEOUT_S = 15.0
SLOW_TIMEOUT_S = 30.0
MAX_PRODUCT_BYTES = 16 * 2**20
MAX_ANSWER_BYTES = 2**20
CHUNK_BYTES = 2**16
# Every project has a host of its own, and the producers' platform too.
PROJECT_HOSTS = {
    "off": "openfoodfacts",
    "obf": "openbeautyfacts",
    "opff": "openpetfoodfacts",
    "opf": "openproductsfacts",
    "off_pro": "pro.openfoodfacts",
}


class ProductUnreadable(ProductWriteFailed):
    """The product server did not say whether there is such a product, so nothing can be written to it either."""


class ProductServer:
    """Open it before use, close it after.

    `url` is that of "off"; where its host is one of Open Food Facts the other projects are at its siblings,
    else all are at the same. The service account signs what nobody else does.
    """

    def __init__(
        self,
        url: str,
        *,
        user: str | None = None,
        password: str | None = None,
        timeout_s: float = TIMEOUT_S,
        slow_timeout_s: float = SLOW_TIMEOUT_S,
    ) -> None:
        self._url = url.rstrip("/")
        self._account: dict[str, str] = {"user_id": user, "password": password or ""} if user else {}
        self._timeout_s = timeout_s
        self._slow_timeout_s = slow_timeout_s
        self._session: aiohttp.ClientSession | None = None

    async def open(self) -> None:
        """Make the session; connections are made when needed."""
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=CONNECTIONS),
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            headers={"User-Agent": USER_AGENT},
        )

    async def close(self) -> None:
        """Close every connection."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def read(self, server_type: str, barcode: str) -> dict[str, Any] | None:
        """The product as version 2 of the reading API gives it, None when there is none.

        `ProductUnreadable` when the server does not say.
        """
        path = READ_PATH + quote(barcode.rpartition("/")[2], safe="")
        try:
            status, body = await self._exchange(
                "GET", server_type, path, timeout_s=self._timeout_s, max_bytes=MAX_PRODUCT_BYTES
            )
            answer = msgspec.json.decode(body) if status in (200, 404) else None
        except ProductWriteFailed as fault:
            raise ProductUnreadable(str(fault)) from fault
        except (msgspec.DecodeError, UnicodeError, RecursionError) as fault:
            raise ProductUnreadable(f"{path} gave no JSON") from fault
        if not isinstance(answer, dict):
            raise ProductUnreadable(f"{path} was answered {status}")
        product = answer.get("product")
        if status == 200 and isinstance(product, dict) and product:
            return product
        if answer.get("status") in (0, "0", "failure"):
            return None
        raise ProductUnreadable(f"{path} gave no product")

    async def write(self, server_type: str, call: Call, credentials: Credentials | None) -> None:
        """Do one call as that user, or as the service account; `ProductWriteFailed` when it was not done."""
        headers, account = _signature(credentials, self._account)
        fields = {**call.fields, **account}
        sent: dict[str, Any] = {"json": fields} if call.method == "PATCH" else {"data": fields}
        status, body = await self._exchange(
            call.method,
            server_type,
            call.path,
            timeout_s=self._slow_timeout_s if call.is_slow else self._timeout_s,
            max_bytes=MAX_ANSWER_BYTES,
            headers=headers,
            **sent,
        )
        refused = product_calls.refusal(call, status, body)
        if refused is not None:
            raise ProductWriteFailed(refused)

    async def knows(self, credentials: Credentials) -> bool:
        """Whether the name goes with the password or the session; `ProductWriteFailed` when the server does not say."""
        headers, fields = _signature(credentials, {})
        status, _ = await self._exchange(
            "POST",
            "off",
            LOGIN_PATH,
            timeout_s=self._timeout_s,
            max_bytes=MAX_ANSWER_BYTES,
            headers=headers,
            data=fields,
        )
        if status not in (200, 401, 403):
            raise ProductWriteFailed(f"{LOGIN_PATH} was answered {status}")
        return status == 200

    async def _exchange(
        self, method: str, server_type: str, path: str, *, timeout_s: float, max_bytes: int, **options: Any
    ) -> tuple[int, bytes]:
        """Status and body; waiting for a free connection counts too. What was sent never gets into the message."""
        if self._session is None:
            raise ProductWriteFailed("the product server's connections are not open")
        try:
            async with (
                asyncio.timeout(timeout_s),
                self._session.request(
                    method,
                    base_url(self._url, server_type) + path,
                    # Credentials go to the configured host and to no other.
                    allow_redirects=False,
                    timeout=aiohttp.ClientTimeout(total=None),
                    **options,
                ) as answer,
            ):
                body = bytearray()
                async for chunk in answer.content.iter_chunked(CHUNK_BYTES):
                    body += chunk
                    if len(body) > max_bytes:
                        raise ProductWriteFailed(f"{path} gave more than {max_bytes} bytes")
                return answer.status, bytes(body)
        except TimeoutError as fault:
            raise ProductWriteFailed(f"{path} was not answered within {timeout_s:g} s") from fault
        except (aiohttp.ClientError, OSError, ValueError) as fault:
            raise ProductWriteFailed(f"{path} could not be called: {type(fault).__name__}") from fault


def base_url(url: str, server_type: str) -> str:
    """The address of a project's server: that of its sibling host, or the same where the host is not known."""
    host = urlsplit(url).hostname or ""
    if not host.endswith((".openfoodfacts.org", ".openfoodfacts.net", ".openfoodfacts.localhost")):
        return url
    return url.replace("openfoodfacts.", f"{PROJECT_HOSTS[server_type]}.", 1)


def _signature(
    credentials: Credentials | None, account: dict[str, str]
) -> tuple[dict[str, str], dict[str, str]]:
    """The headers and the fields that say who writes."""
    if credentials is None:
        return {}, account
    if credentials.session is not None:
        return {"Cookie": f"session={credentials.session}"}, {}
    return {}, {"user_id": credentials.username, "password": credentials.password or ""}
