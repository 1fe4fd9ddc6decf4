"""The busiest request past the framework: one raw picture in, the octets of one vector out.

It stands in front of the `embed` route as its middleware. Whatever else comes there, other bodies and other
answers, goes on to the route, which would answer these requests alike, for more of the event loop's time.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import parse_qsl

from server import errors
from server.disconnect import ClientGone, watch_disconnect
from server.vision import answers

if TYPE_CHECKING:
    from litestar.types import ASGIApp, Receive, Scope, Send

    from server.deadline import Deadline
    from server.pipeline import Pipeline

# Lets a request in by its Authorization header, or raises.
Admit = Callable[[str | None, "Deadline"], Awaitable[None]]

OCTETS = answers.OCTETS.encode()


class RawEmbed:
    """ASGI middleware; `max_bytes` bounds the body."""

    def __init__(self, inner: ASGIApp, *, pipeline: Pipeline, admit: Admit, max_bytes: int) -> None:
        self._inner = inner
        self._pipeline = pipeline
        self._admit = admit
        self._max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or pass it on."""
        headers: dict[bytes, bytes] = dict(scope["headers"])
        kind = headers.get(b"content-type", b"")
        if headers.get(b"accept") != OCTETS or not (kind.startswith(b"image/") or kind == OCTETS):
            await self._inner(scope, receive, send)
            return
        state: dict[str, Any] = scope["state"]
        deadline: Deadline = state["deadline"]
        await self._admit(headers.get(b"authorization", b"").decode("latin-1"), deadline)
        query = dict(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True))
        spec = self._pipeline.network("embed", query.get("model"))
        body = await self._read(receive, headers)
        rows = await watch_disconnect(receive, self._pipeline.embed([body], spec.name, deadline))
        data = answers.octets(rows)
        kinds = [(b"content-type", OCTETS), (b"content-length", str(len(data)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": kinds})
        await send({"type": "http.response.body", "body": data, "more_body": False})

    async def _read(self, receive: Receive, headers: Mapping[bytes, bytes]) -> bytes:
        """The body; how long it may take is the outer middleware's concern."""
        declared = headers.get(b"content-length", b"")
        length = int(declared) if declared.isdigit() else None
        size, pieces, more = 0, list[bytes](), True
        # Up to the declared length: the server's word that nothing follows costs as much as a piece.
        while more and size != length and max(size, length or 0) <= self._max_bytes:
            message = cast(dict[str, Any], await receive())
            if message["type"] == "http.disconnect":
                raise ClientGone
            piece: bytes = message.get("body", b"")
            pieces.append(piece)
            size += len(piece)
            more = message.get("more_body", False)
        if max(size, length or 0) > self._max_bytes:
            raise errors.BodyTooLarge(
                f"Request body is over the limit of {self._max_bytes} bytes",
                details={"limit": self._max_bytes},
            )
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)
