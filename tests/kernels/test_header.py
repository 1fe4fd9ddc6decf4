"""The gate reads the header only, and names the limit it enforces."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from kernels.decode import ImageRejected, header
from tests.kernels.pictures import LIMITS, encoded, flat_jpeg, gif, mosaic, oriented, png, tiff

FORMATS = ["jpeg", "png", "webp", "gif", "bmp", "tiff", "avif"]


@pytest.mark.parametrize("format", FORMATS)
def test_format_and_size_come_from_the_bytes(format: str) -> None:
    found = header(encoded(mosaic(70, 50), format), LIMITS)
    assert (found.format, found.width, found.height, found.orientation, found.frames) == (
        format,
        70,
        50,
        1,
        1,
    )
    assert not found.has_alpha


@pytest.mark.parametrize("format", ["jpeg", "png", "webp", "tiff", "avif"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_size_is_upright(format: str, orientation: int) -> None:
    found = header(oriented(mosaic(70, 50), format, orientation), LIMITS)
    assert found.orientation == orientation
    assert (found.width, found.height) == ((70, 50) if orientation < 5 else (50, 70))


@pytest.mark.parametrize("format", ["png", "tiff"])
def test_an_alpha_channel_is_announced(format: str) -> None:
    rgba = np.dstack([mosaic(20, 20), np.full((20, 20), 255, dtype=np.uint8)])
    assert header(encoded(rgba, format), LIMITS).has_alpha


@pytest.mark.parametrize(
    ("format", "frames"), [("gif", 2), ("tiff", 2), ("png", 3), ("webp", 3), ("avif", 3)]
)
def test_more_than_one_frame_is_announced(format: str, frames: int) -> None:
    others = [Image.fromarray(mosaic(20, 20, seed)) for seed in (1, 2)]
    data = encoded(mosaic(20, 20), format, save_all=True, append_images=others)
    assert header(data, LIMITS).frames == frames


def test_no_bytes_are_empty() -> None:
    with pytest.raises(ImageRejected) as caught:
        header(b"", LIMITS)
    assert caught.value.reason == "empty"


def test_the_byte_limit_is_inclusive_and_named() -> None:
    data = encoded(mosaic(20, 20), "png")
    assert header(data, LIMITS._replace(max_bytes=len(data))).width == 20
    with pytest.raises(ImageRejected, match=str(len(data) - 1)) as caught:
        header(data, LIMITS._replace(max_bytes=len(data) - 1))
    assert (caught.value.reason, caught.value.limit) == ("too_many_bytes", len(data) - 1)


@pytest.mark.parametrize("format", FORMATS)
def test_the_pixel_limit_is_inclusive_and_named(format: str) -> None:
    data = encoded(mosaic(40, 30), format)
    assert header(data, LIMITS._replace(max_pixels=1200)).width == 40
    with pytest.raises(ImageRejected, match="1199") as caught:
        header(data, LIMITS._replace(max_pixels=1199))
    assert (caught.value.reason, caught.value.limit) == ("too_many_pixels", 1199)


@pytest.mark.parametrize(
    "data",
    [
        png(60_000, 60_000),
        png(4_000_000_000, 4_000_000_000),
        png(1_000_000, 1),
        gif((65_535, 65_535), (1, 1)),
        gif((1, 1), (65_535, 65_535)),
        flat_jpeg(8, 8, (0x11, 0x11, 0x11)).replace(b"\x08\x00\x08\x00\x08\x03", b"\x08\xff\xff\xff\xff\x03"),
        b"RIFF\x20\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0\xff\xff\xff\xff\xff\xff",
        b"BM"
        + bytes(8)
        + b"\x36\0\0\0"
        + b"\x28\0\0\0"
        + b"\xff\xff\0\0\xff\xff\0\0"
        + b"\1\0\x18\0"
        + bytes(40),
    ],
    ids=["png", "png-32-bit", "png-one-row", "gif-screen", "gif-frame", "jpeg", "webp", "bmp"],
)
def test_a_huge_declared_size_is_refused_whatever_the_file_holds(data: bytes) -> None:
    with pytest.raises(ImageRejected) as caught:
        header(data, LIMITS)
    assert caught.value.reason == "too_many_pixels"


def test_a_tile_larger_than_the_limit_is_refused() -> None:
    tags = {256: 20, 257: 20, 322: 64, 323: 64, 324: 8, 325: 400}
    assert header(tiff(tags), LIMITS).width == 20
    with pytest.raises(ImageRejected) as caught:
        header(tiff({**tags, 322: 60_000, 323: 60_000}), LIMITS)
    assert caught.value.reason == "too_many_pixels"


@pytest.mark.parametrize("orientation", [0, 9, 65_535])
def test_an_orientation_that_does_not_exist_is_upright(orientation: int) -> None:
    assert header(oriented(mosaic(20, 10), "jpeg", orientation), LIMITS).orientation == 1


@pytest.mark.parametrize("cut", [4, 9, 15, 20])
def test_damaged_exif_is_no_reason_to_refuse(cut: int) -> None:
    data = oriented(mosaic(20, 10), "jpeg", 6)
    start = data.index(b"Exif") + 6
    damaged = data[: start + cut - 4] + b"\xfe" * 4 + data[start + cut :]
    assert header(damaged, LIMITS).format == "jpeg"


@pytest.mark.parametrize(
    "data",
    [
        b"\0",
        b"hello, this is text, not a picture",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"%PDF-1.7\n" + bytes(100),
        b"%!PS-Adobe-3.0 EPSF-3.0\n" + bytes(100),
        b"PK\3\4" + bytes(100),
        b"\xff\xd8\xff",
        b"\xff\xd8\xff\xe0" + bytes(100),
        b"\xff\xd8\xff\xd9",
        b"\xff\xd8" + b"\xff\xfe\0\2" * 200_000,
        b"\x89PNG\r\n\x1a\n",
        b"GIF89a",
        b"GIF89a" + bytes(7),
        b"GIF89a\1\0\1\0\0\0\0!\xfe" + b"\1 " * 200_000,
        b"GIF89a\1\0\1\0\0\0\0" + b"!\xfe\0" * 200_000,
        b"RIFF\0\0\0\0WEBP",
        b"BM",
        b"II*\0",
        b"MM\0*\0\0\0\x08\xff\xff",
        b"\0\0\0\x18ftypavif" + bytes(12),
    ],
)
def test_what_is_no_picture_is_not_loaded(data: bytes) -> None:
    with pytest.raises(ImageRejected) as caught:
        header(data, LIMITS)
    assert caught.value.reason == "not_loaded"


@pytest.mark.parametrize("brand", [b"heic", b"mif1"])
def test_heic_is_refused_by_name(brand: bytes) -> None:
    with pytest.raises(ImageRejected, match="HEIC") as caught:
        header(b"\0\0\0\x18ftyp" + brand + b"\0\0\0\0mif1heic" + bytes(40), LIMITS)
    assert caught.value.reason == "not_loaded"


def test_a_png_of_endless_empty_chunks_is_refused() -> None:
    data = png(1, 1)
    empty = b"\0\0\0\0teXt\0\0\0\0"
    with pytest.raises(ImageRejected) as caught:
        header(data[:33] + empty * 200_000 + data[33:], LIMITS)
    assert caught.value.reason == "not_loaded"


def test_a_progressive_jpeg_of_endless_scans_is_refused() -> None:
    data = encoded(mosaic(20, 20), "jpeg", progressive=True)
    assert header(data, LIMITS).width == 20
    scan = data[data.rindex(b"\xff\xda") : -2]
    with pytest.raises(ImageRejected) as caught:
        header(data[:-2] + scan * 200 + data[-2:], LIMITS)
    assert (caught.value.reason, caught.value.limit) == ("not_loaded", 100)


def test_a_sequential_jpeg_of_endless_scans_of_one_component_is_refused() -> None:
    data = flat_jpeg(8, 8, (0x11, 0x11, 0x11))
    at = data.index(b"\xff\xda")
    scan = b"\xff\xda\0\x08\1\1\0\0\x3f\0\x7f"
    with pytest.raises(ImageRejected) as caught:
        header(data[:at] + scan * 200 + b"\xff\xd9", LIMITS)
    assert (caught.value.reason, caught.value.limit) == ("not_loaded", 100)


def test_scan_marks_behind_the_end_of_a_jpeg_do_not_count() -> None:
    data = encoded(mosaic(20, 20), "jpeg", progressive=True)
    assert header(data + b"\xff\xda" * 200, LIMITS).width == 20


@pytest.mark.parametrize("magic", [b"II*\0\x08\0\0\0", b"II+\0\x08\0\0\0\x10\0\0\0\0\0\0\0"])
def test_a_tiff_of_endless_tags_is_refused(magic: bytes) -> None:
    with pytest.raises(ImageRejected) as caught:
        header(magic + b"\xff\xff\0\0\0\0\0\0" + bytes(800_000), LIMITS)
    assert caught.value.reason == "not_loaded"
