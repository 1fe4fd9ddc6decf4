"""Pictures, forms and the check of an error that the tests of /vision/v1 share."""

from __future__ import annotations

import io

import httpx
from PIL import Image

GARBAGE = b"\xff\xd8\xff not a picture"
OCTETS = {"Accept": "application/octet-stream"}
JPEG = {"Content-Type": "image/jpeg"}


def picture(colour: tuple[int, int, int] = (200, 40, 40), size: tuple[int, int] = (80, 60)) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", size, colour).save(stream, "JPEG")
    return stream.getvalue()


def form(*images: bytes, name: str = "image") -> list[tuple[str, tuple[str, bytes, str]]]:
    return [(name, (f"{number}.jpg", data, "image/jpeg")) for number, data in enumerate(images)]


def fault(answer: httpx.Response, status: int, code: str) -> str:
    """The text of an error in the plain envelope, after its form was checked."""
    assert answer.status_code == status, answer.text
    body = answer.json()["error"]
    assert body["code"] == code
    assert body["request_id"] == answer.headers["x-request-id"]
    return str(body["message"])
