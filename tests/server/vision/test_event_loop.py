"""The event loop stays free while pictures are decoded and run."""

from __future__ import annotations

import asyncio
import gc
import io
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import numpy as np
import pytest
from PIL import Image

from kernels import decode
from tests.server.vision.samples import JPEG, OCTETS

CLIENTS = 32
LIMITS = decode.ImageLimits(max_bytes=2**30, max_pixels=2**30)


def large_photo() -> bytes:
    """Nine million pixels of noise: slow to decode at any scale."""
    pixels = np.random.default_rng(0).integers(0, 255, (3000, 3000), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).convert("RGB").save(stream, "JPEG", quality=50)
    return stream.getvalue()


@contextmanager
def nothing_to_collect() -> Iterator[None]:
    """What other tests left in this process is no garbage of ours."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


@pytest.mark.parametrize("accept", [{}, OCTETS])
async def test_no_callback_holds_the_loop_as_long_as_a_picture_takes(
    http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, accept: dict[str, str]
) -> None:
    """CPU time of the loop's own thread, so that neighbours on the machine do not count.

    It is compared with a decode, so that the machine's speed does not count either.
    """
    data = large_photo()
    began = time.thread_time()
    decode.rgb(data, LIMITS, cover=32)
    picture_s = time.thread_time() - began
    longest_s = 0.0
    run = asyncio.Handle._run

    def timed(handle: asyncio.Handle) -> None:
        nonlocal longest_s
        began = time.thread_time()
        run(handle)
        longest_s = max(longest_s, time.thread_time() - began)

    requests = [http.post("/vision/v1/embed", content=data, headers=JPEG | accept) for _ in range(CLIENTS)]
    with nothing_to_collect():
        monkeypatch.setattr(asyncio.Handle, "_run", timed)
        answers = await asyncio.gather(*requests)
    assert {answer.status_code for answer in answers} == {200}
    assert longest_s < picture_s / 2
