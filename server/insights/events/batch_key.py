"""The bearer key of batch jobs (contract 1.2.32)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from server import auth, errors
from server.insights import faults

if TYPE_CHECKING:
    from litestar import Request


class BatchKey:
    """The one key that opens imports of batches; without one they stay shut."""

    def __init__(self, key: str | None) -> None:
        self._key = key

    def check(self, request: Request[Any, Any, Any]) -> None:
        """`BadRequest` without a header, `Unauthorised` for any but "Bearer <the key>"."""
        header = request.headers.get("authorization")
        if header is None:
            raise errors.BadRequest('The "Authorization" header is required.', code="Missing header value")
        words = header.split()
        if len(words) != 2:
            raise faults.unauthorised("Invalid authentication scheme.")
        if words[0].lower() != "bearer":
            raise faults.unauthorised("Invalid authentication scheme: 'Bearer Token' expected.")
        if self._key is None or not auth.is_same(words[1], self._key):
            raise faults.unauthorised("Invalid token.")
