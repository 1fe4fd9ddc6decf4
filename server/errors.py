"""Every failure a request can end with; each class owns its HTTP status and its stable code.

AisleError
  BadRequest             400  malformed input
    ImageError           400  a picture the gate refused; carries the reason
  Unauthorised           401  no or unknown key
  Forbidden              403  known key, missing right; an address we may not fetch
  NotFound               404
  MethodNotAllowed       405  carries Allow
  Conflict               409
  BodyTooLarge           413  names the limit
  UnsupportedMediaType   415
  Unprocessable          422
  RateLimited            429  one client asks too often; carries Retry-After
  InternalError          500  unknown fault: an id, no internals
  Overloaded             503  we are full; carries Retry-After
  NotReady               503  starting, draining, database lost
  NetworkUnavailable     503  a neural network that is not installed
  DeadlineExceeded       504
  StorageFull            507  disk or bucket full, nothing half-written
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kernels.decode import ImageRejected


class AisleError(Exception):
    """A failure with an HTTP status, a stable code and a text the client may read.

    `code` overrides the class's own where a contract names a finer one, `retry_after_s` its `wait_s`;
    `details` is JSON-able.
    """

    status: ClassVar[int] = 500
    code: str = "INTERNAL_ERROR"
    text: ClassVar[str] = "Internal server error"
    wait_s: ClassVar[float | None] = None

    def __init__(
        self,
        message: str | None = None,
        *,
        code: str | None = None,
        retry_after_s: float | None = None,
        details: dict[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.message = message or self.text
        super().__init__(self.message)
        if code is not None:
            self.code = code
        self.retry_after_s = self.wait_s if retry_after_s is None else retry_after_s
        self.details = details
        self.headers: dict[str, str] = dict(headers or {})


class BadRequest(AisleError):
    """The request is malformed."""

    status = 400
    code = "BAD_REQUEST"
    text = "Bad request"


IMAGE_CODES = {
    "empty": "IMAGE_MISSING",
    "too_many_bytes": "IMAGE_TOO_LARGE",
    "too_many_pixels": "IMAGE_TOO_LARGE",
    "too_small": "IMAGE_TOO_SMALL",
    "bad_aspect": "IMAGE_BAD_ASPECT",
    "not_loaded": "IMAGE_NOT_LOADED",
    "transparent": "IMAGE_TRANSPARENCY",
}


class ImageError(BadRequest):
    """A picture the gate or the decoder refused; `reason` is one of the keys of `IMAGE_CODES`."""

    code = "IMAGE_NOT_LOADED"
    text = "Image could not be loaded"

    def __init__(self, reason: str, message: str | None = None, *, limit: int | None = None) -> None:
        super().__init__(message, code=IMAGE_CODES.get(reason, "IMAGE_NOT_LOADED"))
        self.reason = reason
        self.limit = limit


class Unauthorised(AisleError):
    """No key, or one we do not know."""

    status = 401
    code = "UNAUTHORISED"
    text = "A valid key is required"


class Forbidden(AisleError):
    """The key is known but lacks the right, or the target is off limits."""

    status = 403
    code = "FORBIDDEN"
    text = "Not allowed"


class NotFound(AisleError):
    """Nothing there for this caller."""

    status = 404
    code = "NOT_FOUND"
    text = "Not found"


class MethodNotAllowed(AisleError):
    """The path exists, the method does not; `Allow` is in the headers."""

    status = 405
    code = "METHOD_NOT_ALLOWED"
    text = "Method not allowed"


class Conflict(AisleError):
    """The state changed under the caller."""

    status = 409
    code = "CONFLICT"
    text = "Conflict"


class BodyTooLarge(AisleError):
    """The body, or one part of it, is over a limit that the message names."""

    status = 413
    code = "BODY_TOO_LARGE"
    text = "Request body is too large"


class UnsupportedMediaType(AisleError):
    """The body is of a type we do not read here."""

    status = 415
    code = "UNSUPPORTED_MEDIA_TYPE"
    text = "Unsupported media type"


class Unprocessable(AisleError):
    """Well-formed, but it cannot be done."""

    status = 422
    code = "UNPROCESSABLE"
    text = "Cannot be processed"


class RateLimited(AisleError):
    """This client asks too often."""

    status = 429
    code = "RATE_LIMITED"
    text = "Too many requests"


class InternalError(AisleError):
    """An unknown fault; the message never carries internals."""


class Overloaded(AisleError):
    """We are full; try again after `retry_after_s`."""

    status = 503
    code = "SERVER_BUSY"
    text = "Server is busy"
    wait_s = 1.0


class NotReady(AisleError):
    """Starting, draining, or a part we need is lost."""

    status = 503
    code = "NOT_READY"
    text = "Server is not ready"
    wait_s = 1.0


class NetworkUnavailable(AisleError):
    """The neural network this needs is not installed."""

    status = 503
    code = "NETWORK_UNAVAILABLE"
    text = "The neural network for this is not installed"


class DeadlineExceeded(AisleError):
    """The request's time is over."""

    status = 504
    code = "DEADLINE_EXCEEDED"
    text = "The request took too long"


class StorageFull(AisleError):
    """The disk or the bucket is full; nothing was half-written."""

    status = 507
    code = "STORAGE_FULL"
    text = "Storage is full"


def from_rejected(rejected: ImageRejected) -> ImageError:
    """The HTTP error for a picture that `kernels.decode` refused; keeps reason, limit and text."""
    return ImageError(rejected.reason, str(rejected), limit=rejected.limit)
