"""Absolute URLs of what a result points to: files, thumbnails, the custom data of an item."""

from __future__ import annotations

from typing import Any

from litestar import Request

THUMB_SIDES = (60, 120)


class Links:
    """URLs below one origin, such as `https://host:port`; all of them are public and need no key."""

    def __init__(self, origin: str) -> None:
        self.origin = origin.rstrip("/")

    @classmethod
    def of(cls, request: Request[Any, Any, Any], public_url: str | None) -> Links:
        """Below the configured public URL, else the origin that the client itself used."""
        if public_url is not None:
            return cls(public_url)
        base = request.base_url
        scheme = request.headers.get("x-forwarded-proto", "").split(",")[0].strip().lower()
        return cls(f"{scheme if scheme in ('http', 'https') else base.scheme}://{base.netloc}")

    def file(self, collection: str, item: str, image: str) -> str:
        """The reference picture as it was uploaded."""
        return f"{self.origin}/collections/{collection}/images/{item}_{image}"

    def thumb(self, collection: str, item: str, image: str, side: int) -> str:
        """A JPEG that fits in `side` x `side` pixels."""
        return f"{self.origin}/cache/collections/{collection}/images/{item}_{image}_thumb_{side}.jpe"

    def template(self, side: int = 120) -> str:
        """`thumb` with {0} collection, {1} item and {2} image left open."""
        return self.thumb("{0}", "{1}", "{2}", side)

    def custom(self, collection: str, item: str) -> str:
        """The custom data of an item."""
        return f"{self.origin}/files/collections/{collection}/items/{item}/custom"
