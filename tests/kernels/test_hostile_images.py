"""Bytes that mean harm, or met it: every one is refused with a reason, and nothing else ever escapes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from kernels.decode import ImageRejected, gray, rgb
from tests.kernels.pictures import LIMITS, encoded, gif, mosaic, oriented, png

SMALL = LIMITS._replace(max_pixels=100_000)


def samples() -> dict[str, bytes]:
    pixels = mosaic(64, 48)
    image = Image.fromarray(pixels)
    return {
        "jpeg": oriented(pixels, "jpeg", 6),
        "progressive": encoded(pixels, "jpeg", progressive=True),
        "cmyk": encoded(image.convert("CMYK"), "jpeg"),
        "png": encoded(pixels, "png"),
        "png-16": encoded(pixels[..., 0].astype(np.uint16) * 257, "png"),
        "png-palette": encoded(image.convert("P"), "png", transparency=0),
        "webp": encoded(pixels, "webp"),
        "webp-moving": encoded(image, "webp", save_all=True, append_images=[image.rotate(90)]),
        "gif": encoded(image, "gif"),
        "gif-moving": encoded(image, "gif", save_all=True, append_images=[image.rotate(90)]),
        "bmp": encoded(pixels, "bmp"),
        "tiff": encoded(pixels, "tiff"),
        "tiff-lzw": encoded(pixels, "tiff", compression="tiff_lzw"),
        "avif": encoded(pixels, "avif"),
    }


SAMPLES = samples()


@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.9])
def test_a_truncated_file_is_not_loaded(name: str, share: float) -> None:
    data = SAMPLES[name]
    if name == "gif-moving":
        share /= 2  # the first frame alone is a picture
    for decode in (rgb, gray):
        with pytest.raises(ImageRejected) as caught:
            decode(data[: int(len(data) * share)], LIMITS)
        assert caught.value.reason == "not_loaded"


@pytest.mark.parametrize("name", ["jpeg", "progressive", "cmyk", "png", "webp"])
@pytest.mark.parametrize("missing", [1, 2, 20])
def test_a_file_that_lacks_its_last_bytes_is_not_loaded(name: str, missing: int) -> None:
    with pytest.raises(ImageRejected) as caught:
        rgb(SAMPLES[name][:-missing], LIMITS)
    assert caught.value.reason == "not_loaded"


@pytest.mark.parametrize("name", ["jpeg", "progressive", "cmyk", "png", "gif", "bmp"])
@pytest.mark.parametrize("junk", [b"\0", b"junk" * 1000, b"\xff\xd8\xff\xda", b"\xff\xd9" * 9])
def test_garbage_behind_the_end_is_accepted(name: str, junk: bytes) -> None:
    assert np.array_equal(rgb(SAMPLES[name] + junk, LIMITS), rgb(SAMPLES[name], LIMITS))


@pytest.mark.parametrize("junk", [b"\x12\x34\x56", b"\xff" * 50])
def test_garbage_between_the_segments_of_a_jpeg_is_accepted(junk: bytes) -> None:
    data = SAMPLES["jpeg"]
    at = data.index(b"\xff\xdb")
    assert np.array_equal(rgb(data[:at] + junk + data[at:], LIMITS), rgb(data, LIMITS))


def test_odd_scan_parameters_are_accepted() -> None:
    data = bytearray(encoded(mosaic(64, 48), "jpeg"))
    scan = data.index(b"\xff\xda")
    length = int.from_bytes(data[scan + 2 : scan + 4], "big")
    data[scan + length] = 0
    assert rgb(bytes(data), LIMITS).shape == (48, 64, 3)


def test_a_jpeg_with_a_hole_in_its_middle_is_not_loaded() -> None:
    data = encoded(mosaic(320, 240), "jpeg")
    middle = len(data) * 3 // 4
    with pytest.raises(ImageRejected) as caught:
        rgb(data[:middle] + b"\xff\xd9" + data[middle + 2 :], LIMITS)
    assert caught.value.reason == "not_loaded"


@pytest.mark.parametrize(
    "data",
    [
        png(5_000, 5_000),
        png(5_000, 5_000, b"\0" * 100),
        gif((5_000, 5_000), (5_000, 5_000)),
        SAMPLES["bmp"][:18] + (5_000).to_bytes(4, "little") * 2 + SAMPLES["bmp"][26:],
    ],
    ids=["png-empty", "png-short", "gif", "bmp"],
)
def test_a_header_that_promises_more_pixels_than_come_is_not_loaded(data: bytes) -> None:
    with pytest.raises(ImageRejected) as caught:
        rgb(data, LIMITS)
    assert caught.value.reason == "not_loaded"


def test_a_jpeg_whose_frame_lies_about_its_size_is_not_loaded() -> None:
    data = SAMPLES["jpeg"]
    at = data.index(b"\xff\xc0") + 5
    taller = data[:at] + (4_000).to_bytes(2, "big") + data[at + 2 :]
    with pytest.raises(ImageRejected) as caught:
        rgb(taller, LIMITS)
    assert caught.value.reason == "not_loaded"


def test_a_second_frame_header_cannot_grow_the_picture() -> None:
    data = SAMPLES["jpeg"]
    at = data.index(b"\xff\xc0")
    length = 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    frame = data[at : at + length]
    huge = frame[:5] + b"\xff\xff\xff\xff" + frame[9:]
    for first, second in ((frame, huge), (huge, frame)):
        with pytest.raises(ImageRejected):
            rgb(data[:at] + first + second + data[at + length :], LIMITS)


@settings(max_examples=150, deadline=None)
@given(
    name=st.sampled_from(sorted(SAMPLES)),
    edits=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=6),
    keep=st.floats(0, 1),
    header_only=st.booleans(),
)
def test_damage_anywhere_ends_in_pixels_or_in_a_reason(
    name: str, edits: list[tuple[float, int]], keep: float, header_only: bool
) -> None:
    data = bytearray(SAMPLES[name])
    for where, value in edits:
        data[int(where * (min(len(data), 64) if header_only else len(data)))] = value
    damaged = bytes(data[: max(1, int(len(data) * max(keep, 0.5 if edits else 0)))])
    try:
        pixels = rgb(damaged, SMALL, cover=10)
        small = gray(damaged, SMALL, long_side=20)
    except ImageRejected as error:
        assert error.reason in {"not_loaded", "too_many_pixels"}
        assert str(error)
    else:
        assert pixels.dtype == small.dtype == np.uint8
        assert pixels.shape[2] == 3 and max(small.shape) <= 20


@settings(max_examples=100, deadline=None)
@given(
    st.binary(max_size=200),
    st.sampled_from([b"", b"\xff\xd8\xff", b"GIF89a", b"BM", b"II*\0", b"\0\0\0\x18ftypavif"]),
)
def test_random_bytes_are_never_more_than_a_rejection(body: bytes, magic: bytes) -> None:
    with pytest.raises(ImageRejected):
        rgb(magic + body, SMALL)
