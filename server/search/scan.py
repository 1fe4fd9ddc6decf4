"""One search: the form of the request, the checks in the contract's order, the recognition (section 2.1)."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes

import msgspec
import numpy as np
from numpy.typing import NDArray

from kernels import decode
from server import errors
from server.forms import Form
from server.search import features
from server.search.collections import Loaded
from server.search.recognize import DEFAULT_LIMIT, Recognition, RecognizeOptions, Recognizer
from server.search.tokens import Access, Tokens

if TYPE_CHECKING:
    from server.deadline import Deadline
    from server.limits import RateLimiter
    from server.metrics import Metrics
    from server.pool import WorkPool
    from server.search.collections import Collections
    from server.settings import Limits

MIN_SIDE = 100
MAX_RESULTS = 100
MAX_TAGS = 100
BASE64 = re.compile(rb"[A-Za-z0-9+/_\s-]+={0,2}")
DATA_URI = re.compile(rb"\s*data:([^,]*),(.*)", re.DOTALL | re.IGNORECASE)
WHOLE = re.compile(r"\s*[0-9]{1,9}\s*")


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """A search as it was asked, with every alias that published clients use."""

    token: str | None
    image: bytes
    bboxes: bool
    embed_custom: bool
    app_id: str | None
    limit: int
    min_score: int
    tags: tuple[str, ...]
    multi: bool
    explain: bool
    dry: bool

    @classmethod
    def of(cls, form: Form, version: int) -> Question:
        """Read the form; nothing in it is an error but the token and the picture, which come later."""
        # The oldest version called it "custom".
        custom = ("embed_custom", "embedCustom", "custom")[: 3 if version == 0 else 2]
        part = form.get("image")
        tags = (tag.strip() for tag in (form.text("tags") or "").replace("\x00", "").split(",", MAX_TAGS))
        return cls(
            token=form.text("token"),
            image=b"" if part is None else part.data,
            bboxes=form.boolean("bboxes", "bbox"),
            embed_custom=form.boolean(*custom),
            app_id=form.text("app_id", "appID") or None,
            limit=_whole(form.text("limit"), DEFAULT_LIMIT, 1, MAX_RESULTS),
            min_score=_whole(form.text("min_score"), 0, 0, 100),
            tags=tuple(tag for tag in tags if tag)[:MAX_TAGS],
            multi=form.boolean("multi"),
            explain=form.boolean("explain"),
            dry=form.boolean("dry"),
        )


class Scanner:
    """Answers questions: every wait and every thread of a search is started here."""

    def __init__(
        self,
        tokens: Tokens,
        collections: Collections,
        recognizer: Recognizer,
        pool: WorkPool,
        limiter: RateLimiter,
        metrics: Metrics,
        limits: Limits,
    ) -> None:
        self._tokens = tokens
        self._collections = collections
        self._recognizer = recognizer
        self._pool = pool
        self._limiter = limiter
        self._metrics = metrics
        self._rate = f"{limits.scans_per_second}/second"
        self._limits = decode.ImageLimits(
            max_bytes=limits.query_bytes,
            max_pixels=limits.query_pixels,
            min_side=MIN_SIDE,
            allow_transparency=False,
        )

    async def scan(self, question: Question, deadline: Deadline) -> tuple[Access, Recognition]:
        """What the token opens, and the matches.

        Errors, the first that applies: TOKEN_*, IMAGE_MISSING, then what the decoder refuses,
        SCAN_QUOTA_EXCEEDED, IMAGE_NO_DETAILS; SERVER_BUSY at any time.
        """
        access = await self._tokens.open(question.token, deadline)
        try:
            with self._metrics.stage("decode"):
                gray = await self._pool.run(self._decode, question.image, deadline=deadline)
        except decode.ImageRejected as refused:
            self._metrics.rejected(refused.reason)
            raise
        if not question.dry:
            await self._count(access)
        named = None
        if question.tags:
            named = await self._tokens.named_tags(access.collection, question.tags, deadline)
        loaded = await self._collections.ready(access.collection, access.sequence, deadline)
        options = RecognizeOptions(limit=question.limit, min_score=question.min_score, multi=question.multi)
        recognition = await self._pool.run(
            self._recognize, loaded, gray, options, access.tags or None, named, deadline=deadline
        )
        for stage, milliseconds in recognition.stage_ms.items():
            self._metrics.observe(stage, milliseconds / 1000)
        return access, recognition

    def _decode(self, image: bytes) -> NDArray[np.uint8]:
        """In a worker thread: the gray picture, long side at most 640."""
        data = picture(image)
        if not data:
            raise errors.BadRequest("Image is missing", code="IMAGE_MISSING")
        return decode.gray(data, self._limits, long_side=features.LONG_SIDE)

    def _recognize(
        self,
        loaded: Loaded,
        gray: NDArray[np.uint8],
        options: RecognizeOptions,
        *tags: Sequence[str] | None,
    ) -> Recognition:
        """In a worker thread."""
        try:
            described = features.describe(gray, limit=features.QUERY_FEATURES)
        except features.NoDetails:
            raise errors.BadRequest("Image has no details", code="IMAGE_NO_DETAILS") from None
        options = msgspec.structs.replace(options, allow=loaded.allowed(*tags))
        return self._recognizer.run(loaded.replica, described, options)

    async def _count(self, access: Access) -> None:
        try:
            await self._limiter.hit(f"scan:{access.token}", self._rate)
        except errors.RateLimited as fault:
            raise errors.Forbidden(
                "Scan quota exceeded", code="SCAN_QUOTA_EXCEEDED", retry_after_s=fault.retry_after_s
            ) from fault


def picture(data: bytes) -> bytes:
    """The picture's own bytes: as they are, or out of base64 or a data: URI sent as text.

    No format is made of base64 letters alone, so nothing binary is taken for text. Errors: `ImageError`.
    """
    uri = DATA_URI.fullmatch(data)
    if uri is not None:
        if not uri[1].lower().endswith(b";base64"):
            return unquote_to_bytes(uri[2])
        data = uri[2]
        if b"%" in data:
            data = unquote_to_bytes(data)
    elif not BASE64.fullmatch(data.rstrip()):
        return data
    # An unescaped plus in a urlencoded form arrives as a space.
    text = data.strip().translate(None, b"\r\n\t").translate(bytes.maketrans(b" -_", b"++/")).rstrip(b"=")
    try:
        return base64.b64decode(text + b"=" * (-len(text) % 4), validate=True)
    except binascii.Error:
        raise errors.ImageError("not_loaded", "Image could not be loaded") from None


def _whole(text: str | None, default: int, low: int, high: int) -> int:
    """A whole number brought into its range; the default for anything else."""
    return min(max(int(text), low), high) if text and WHOLE.fullmatch(text) else default
