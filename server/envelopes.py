"""From any exception to the error body of the product whose address was called."""

from __future__ import annotations

import errno
import logging
import math
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from litestar import Request, Response
from litestar.exceptions import HTTPException
from litestar.types import ASGIApp, Receive, Scope, Send

from kernels.decode import ImageRejected
from server import errors, logs
from server.disconnect import ClientGone
from server.errors import AisleError

logger = logging.getLogger(__name__)

# How one product words an error, given the request's id.
Envelope = Callable[[AisleError, str], Response[Any]]

BY_STATUS: dict[int, type[AisleError]] = {
    400: errors.BadRequest,
    401: errors.Unauthorised,
    403: errors.Forbidden,
    404: errors.NotFound,
    405: errors.MethodNotAllowed,
    409: errors.Conflict,
    413: errors.BodyTooLarge,
    415: errors.UnsupportedMediaType,
    422: errors.Unprocessable,
    429: errors.RateLimited,
    503: errors.NotReady,
    504: errors.DeadlineExceeded,
}
# The client closed the connection; nobody reads the answer, only our log does.
CLIENT_GONE = 499


class Fault(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What went wrong: a stable code, a text for people, and the id under which we logged it."""

    code: str
    message: str
    request_id: str
    details: dict[str, Any] | None = None


class ErrorBody(msgspec.Struct, frozen=True):
    """The body of every error outside the compatible APIs."""

    error: Fault


def plain(error: AisleError, request_id: str) -> Response[Any]:
    """The envelope of /vision/v1, /admin/v1 and everything that belongs to no product."""
    fault = Fault(code=error.code, message=error.message, request_id=request_id, details=error.details)
    return Response(ErrorBody(fault), status_code=error.status)


def as_aisle(fault: BaseException) -> AisleError:
    """The error tree's word for any exception; `InternalError` for what nobody foresaw."""
    if isinstance(fault, AisleError):
        return fault
    if isinstance(fault, ImageRejected):
        return errors.from_rejected(fault)
    if isinstance(fault, HTTPException):
        return _from_litestar(fault)
    if isinstance(fault, OSError) and fault.errno in (errno.ENOSPC, errno.EDQUOT):
        return errors.StorageFull()
    if isinstance(fault, TimeoutError):
        return errors.DeadlineExceeded()
    if isinstance(fault, msgspec.ValidationError | msgspec.DecodeError):
        return errors.BadRequest(str(fault))
    return errors.InternalError()


def _from_litestar(fault: HTTPException) -> AisleError:
    status = fault.status_code
    if status >= 500 and status not in BY_STATUS:
        return errors.InternalError()
    kind = BY_STATUS.get(status, errors.BadRequest)
    # Its texts for these two are just the phrase of the status.
    message = None if status in (404, 405) else fault.detail
    extra = fault.extra
    details = {"fields": extra} if isinstance(extra, list) and extra else None
    return kind(message, details=details, headers=fault.headers)


class Envelopes:
    """Picks the envelope by the longest path prefix."""

    def __init__(self, by_prefix: Mapping[str, Envelope]) -> None:
        self._by_prefix = sorted(by_prefix.items(), key=lambda entry: len(entry[0]), reverse=True)

    def render(self, path: str, error: AisleError) -> Response[Any]:
        """The answer, with the headers that belong to the error whatever the envelope."""
        envelope = next(
            (render for prefix, render in self._by_prefix if is_under(path, prefix)),
            plain,
        )
        response = envelope(error, logs.request_id.get())
        for name, value in error.headers.items():
            response.headers.setdefault(name, value)
        if error.retry_after_s is not None:
            response.headers.setdefault("Retry-After", str(max(1, math.ceil(error.retry_after_s))))
        response.headers.setdefault("Cache-Control", "no-store")
        return response

    def handle(self, request: Request[Any, Any, Any], fault: Exception) -> Response[Any]:
        """Litestar's exception handler: log what is ours to mend, answer in the product's words."""
        return self.answer(request.url.path, fault)

    def answer(self, path: str, fault: Exception) -> Response[Any]:
        """The response to an exception raised while `path` was served."""
        if isinstance(fault, ClientGone):
            return Response(None, status_code=CLIENT_GONE)
        error = as_aisle(fault)
        if isinstance(error, errors.InternalError):
            logger.error("request failed", exc_info=fault)
        elif error.status >= 500:
            logger.warning("request refused", extra={"code": error.code, "reason": error.message})
        return self.render(path, error)

    async def send(self, fault: Exception, scope: Scope, receive: Receive, send: Send, method: str) -> None:
        """Answer from outside Litestar's own handling."""
        request: Request[Any, Any, Any] = Request(scope, receive, send)
        answer: ASGIApp = self.answer(scope["path"], fault).to_asgi_response(
            None, request, is_head_response=method == "HEAD"
        )
        await answer(scope, receive, send)


def is_under(path: str, prefix: str) -> bool:
    """Whether the path is the prefix or below it: /v1/search is under /v1, /v10 is not."""
    return path == prefix or path.startswith(f"{prefix}/")
