"""A Litestar request whose body comes in chosen pieces, without a server."""

from typing import Any

from litestar import Request

DISCONNECT: dict[str, Any] = {"type": "http.disconnect"}


def request_of(
    *pieces: bytes, content_type: str = "", length: int | None = None, ends: bool = True
) -> Request[Any, Any, Any]:
    """A POST with these pieces as its body; `ends=False` is a client that leaves in the middle."""
    last = len(pieces) - 1
    messages = [
        {"type": "http.request", "body": piece, "more_body": not ends or number < last}
        for number, piece in enumerate(pieces or (b"",))
    ]
    waiting = iter([*messages, DISCONNECT])

    async def receive() -> Any:
        return next(waiting)

    headers = [(b"content-type", content_type.encode())] if content_type else []
    if length is not None:
        headers.append((b"content-length", str(length).encode()))
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/",
        "query_string": b"",
        "headers": headers,
        "state": {},
    }
    return Request(scope, receive)  # type: ignore[arg-type]
