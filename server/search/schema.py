"""What goes over the wire: the answers of recognition and management, and their error envelope."""

from __future__ import annotations

import math
from typing import Any, Generic, TypeVar

import msgspec
from litestar import Response
from msgspec import UNSET, UnsetType

from server import errors
from server.search.links import Links


class Collection(msgspec.Struct, frozen=True, kw_only=True):
    """Exactly these keys: published clients refuse any other in a management object."""

    uuid: str
    resource_uri: str
    name: str
    offline: bool


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """`content` is the stored JSON; `custom` is left out when there is none."""

    uuid: str
    resource_uri: str
    name: str
    collection: str
    url: str
    content: msgspec.Raw | None
    trackable: bool
    tags: list[str]
    custom: str | UnsetType = UNSET


class Image(msgspec.Struct, frozen=True, kw_only=True):
    """`name` is the file name; `file` and the thumbnails are absolute URLs; `quality` 0..1."""

    uuid: str
    resource_uri: str
    item: str
    name: str
    file: str
    status: str
    quality: float
    thumb_120: str
    thumb_60: str
    tracking_data_status: str


class Token(msgspec.Struct, frozen=True, kw_only=True):
    """The token is its own id."""

    token: str
    resource_uri: str
    collection: str
    tags: list[str]


class Tag(msgspec.Struct, frozen=True, kw_only=True):
    """A label inside one collection."""

    uuid: str
    resource_uri: str
    name: str
    collection: str


class Meta(msgspec.Struct, frozen=True, kw_only=True):
    """Where a page lies in its list."""

    limit: int
    next: str | None
    offset: int
    previous: str | None
    total_count: int


Managed = TypeVar("Managed", bound=msgspec.Struct)


class Page(msgspec.Struct, Generic[Managed], frozen=True, kw_only=True):
    """A list answer; never a bare array."""

    meta: Meta
    objects: list[Managed]


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """Why a result matched: `homography` maps reference to query pixels, row by row."""

    inliers: int
    matches: int
    coverage: float
    homography: list[float]
    stage_ms: dict[str, float]


class FoundItem(msgspec.Struct, frozen=True, kw_only=True):
    """What was recognised; keys that are not set are left out, since clients test for their presence."""

    uuid: str
    name: str
    url: str | UnsetType = UNSET
    custom: str | UnsetType = UNSET
    tracking: str | UnsetType = UNSET
    content: msgspec.Raw | UnsetType = UNSET
    # The second version only.
    images: list[str] | UnsetType = UNSET
    trackable: bool | UnsetType = UNSET


class FoundImage(msgspec.Struct, frozen=True, kw_only=True):
    """The best matching picture of the item."""

    uuid: str
    thumb_120: str
    thumb_60: str


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """`image` is an object in version 1 and its uuid in version 2.

    `bbox`: top-left, top-right, bottom-left, bottom-right of the reference, in fractions of the query.
    """

    item: FoundItem
    image: FoundImage | str
    score: int
    bbox: list[list[float]] | UnsetType = UNSET
    explain: Explanation | UnsetType = UNSET


class SearchedCollection(msgspec.Struct, frozen=True, kw_only=True):
    """The block that version 2 adds; `pubkey` is empty because tracking data is not signed here."""

    uuid: str
    image_template: str
    app_id: str | None
    pubkey: str = ""


class SearchAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """`search_time` in milliseconds; `results` best first, empty when nothing was recognised."""

    search_time: int
    results: list[Result]
    collection: SearchedCollection | UnsetType = UNSET


class Timestamp(msgspec.Struct, frozen=True, kw_only=True):
    """Unix seconds as text with two decimals."""

    timestamp: str


class Info(msgspec.Struct, frozen=True, kw_only=True):
    """What this server does; scores of different score versions do not compare."""

    score_version: int
    api_versions: list[str] = msgspec.field(default_factory=lambda: ["v0", "v1", "v2"])


class Failure(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Clients read only `code`."""

    code: str
    message: str
    details: dict[str, Any] | None = None


class Envelope(msgspec.Struct, frozen=True, kw_only=True):
    """The body of every error."""

    error: Failure


def searched(
    collection: str, links: Links, app_id: str | None, version: int
) -> SearchedCollection | UnsetType:
    """The block of version 2, nothing before."""
    if version < 2:
        return UNSET
    return SearchedCollection(uuid=collection, image_template=links.template(), app_id=app_id)


NO_STORE = {"Cache-Control": "no-store"}
# The texts clients may show; the code is what they read.
MESSAGES = {
    "IMAGE_MISSING": "Image is missing",
    "IMAGE_TOO_LARGE": "Image is too large",
    "IMAGE_TOO_SMALL": "Image is too small",
    "IMAGE_TRANSPARENCY": "Image has transparency",
    "IMAGE_NO_DETAILS": "Image has no details",
    "IMAGE_NOT_LOADED": "Image could not be loaded",
}


def envelope(error: errors.AisleError, request_id: str) -> Response[Any]:
    """Any failure under recognition, management or the files, as section 2 words it.

    What is not found has an empty body: one published client takes only that for "not found".
    """
    del request_id  # It is in the X-Request-Id header; published clients refuse keys they do not know.
    headers: dict[str, str] = {**NO_STORE, **error.headers}
    error = translated(error)
    if error.retry_after_s is not None:
        headers["Retry-After"] = str(max(1, math.ceil(error.retry_after_s)))
    if error.status == 404:
        return Response(b"", status_code=404, headers=headers, media_type="text/plain")
    body = Envelope(error=Failure(code=error.code, message=error.message, details=error.details))
    return Response(body, status_code=error.status, headers=headers, media_type="application/json")


def translated(error: errors.AisleError) -> errors.AisleError:
    """Our own tree in this product's words: late is busy, unknown faults are SERVER_ERROR."""
    if isinstance(error, errors.ImageError):
        # The gate's text names the limit that was broken.
        message = MESSAGES.get(error.code, str(error.message))
        detail = None if error.limit is None else {"image": [error.message]}
        return errors.BadRequest(message, code=error.code, details=detail)
    if isinstance(error, errors.Overloaded | errors.NotReady | errors.DeadlineExceeded):
        return errors.Overloaded("Server is busy", retry_after_s=error.retry_after_s or 1.0)
    if isinstance(error, errors.InternalError) or error.code == "INTERNAL_ERROR":
        return errors.InternalError("Internal server error", code="SERVER_ERROR")
    return error
