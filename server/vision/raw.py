"""The busiest request past the framework: one raw picture in, the octets of one vector out.

It stands in front of the `embed` route as its middleware. Whatever else comes there, other bodies and other
answers, goes on to the route, which would answer these requests alike, for more of the event loop's time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import TYPE_CHECKING, Any, TypeVar, cast
from urllib.parse import parse_qsl

from server import errors
from server.disconnect import ClientGone
from server.vision import answers

if TYPE_CHECKING:
    from litestar.types import ASGIApp, Receive, Scope, Send

    from server.deadline import Deadline
    from server.pipeline import Pipeline

T = TypeVar("T")
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
        query = dict(parse_qsl(scope["query_string"].decode("latin-1")))
        spec = self._pipeline.network("embed", query.get("model"))
        body = await self._read(receive, headers)
        rows = await _while_connected(receive, self._pipeline.embed([body], spec.name, deadline))
        data = answers.octets(rows)
        kinds = [(b"content-type", OCTETS), (b"content-length", str(len(data)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": kinds})
        await send({"type": "http.response.body", "body": data, "more_body": False})

    async def _read(self, receive: Receive, headers: Mapping[bytes, bytes]) -> bytes:
        """The body; how long it may take is the outer middleware's concern."""
        declared = headers.get(b"content-length", b"")
        size = int(declared) if declared.isdigit() else 0
        pieces: list[bytes] = []
        more = True
        while more and size <= self._max_bytes:
            message = cast(dict[str, Any], await receive())
            if message["type"] == "http.disconnect":
                raise errors.BadRequest("The body ended early")
            pieces.append(message.get("body", b""))
            more = message.get("more_body", False)
            size = max(size, sum(map(len, pieces)))
        if size > self._max_bytes:
            raise errors.BodyTooLarge(
                f"Request body is over the limit of {self._max_bytes} bytes",
                details={"limit": self._max_bytes},
            )
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)


async def _while_connected(receive: Receive, work: Coroutine[Any, Any, T]) -> T:
    """The work's result; cancelled, and `ClientGone` raised, when the client leaves first.

    Unlike `disconnect.watch_disconnect` the work stays in this task, which saves two switches of tasks.
    """
    task = cast("asyncio.Task[Any]", asyncio.current_task())
    before, has_left = task.cancelling(), False

    def leave(_: object) -> None:
        nonlocal has_left
        has_left = True
        task.cancel()

    # A body that was read completely is followed by nothing but the news that the client is gone.
    gone = asyncio.ensure_future(cast("Awaitable[object]", receive()))
    gone.add_done_callback(leave)
    try:
        result = await work
        if has_left:
            await asyncio.sleep(0)  # where the cancellation that is on its way arrives
        return result
    except asyncio.CancelledError:
        if not has_left or task.uncancel() > before:
            raise
        raise ClientGone from None
    finally:
        gone.remove_done_callback(leave)
        gone.cancel()
