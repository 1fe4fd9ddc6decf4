"""Decoded pixels are what Pillow makes of the same file, for every format, mode, scale and orientation."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, ImageOps

from kernels.decode import ImageRejected, gray, read, rgb, rgb_and_alpha
from tests.kernels.pictures import LIMITS, encoded, flat_jpeg, mosaic, oriented, png, waves


def by_pillow(data: bytes) -> np.ndarray:
    return np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB"))


def difference(a: np.ndarray, b: np.ndarray) -> int:
    assert a.shape == b.shape and a.dtype == b.dtype == np.uint8
    return int(np.abs(a.astype(int) - b).max())


@pytest.mark.parametrize("format", ["png", "bmp", "tiff"])
@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB"])
def test_lossless_formats_keep_every_level(format: str, mode: str) -> None:
    image = Image.fromarray(mosaic(50, 33)).convert(mode)
    assert difference(rgb(encoded(image, format), LIMITS), np.asarray(image.convert("RGB"))) == 0


@pytest.mark.parametrize("format", ["jpeg", "png", "tiff", "webp"])
def test_a_picture_whose_header_was_read_comes_out_the_same(format: str) -> None:
    data = encoded(mosaic(50, 33), format)
    again = rgb(data, LIMITS, cover=16, opened=read(data, LIMITS))
    assert difference(again, rgb(data, LIMITS, cover=16)) == 0


@pytest.mark.parametrize("format", ["jpeg", "webp", "gif", "avif"])
def test_other_formats_are_as_pillow_decodes_them(format: str) -> None:
    data = encoded(mosaic(50, 33), format)
    assert difference(rgb(data, LIMITS), by_pillow(data)) <= 1


@pytest.mark.parametrize(
    ("mode", "options"),
    [
        ("RGB", {"progressive": True}),
        ("RGB", {"subsampling": 0}),
        ("RGB", {"subsampling": 1}),
        ("RGB", {"subsampling": 2}),
        ("RGB", {"subsampling": "4:1:1"}),
        ("RGB", {"keep_rgb": True}),
        ("RGB", {"restart_marker_blocks": 3}),
        ("RGB", {"optimize": True}),
        ("L", {}),
        ("CMYK", {}),
    ],
)
def test_every_kind_of_jpeg_is_as_pillow_decodes_it(mode: str, options: dict[str, object]) -> None:
    data = encoded(Image.fromarray(mosaic(50, 33)).convert(mode), "jpeg", quality=90, **options)
    assert difference(rgb(data, LIMITS), by_pillow(data)) <= 1
    # Luma comes from the file, Pillow's from clipped colours.
    expected = np.asarray(Image.fromarray(by_pillow(data)).convert("L"))
    assert np.abs(gray(data, LIMITS).astype(int) - expected).mean() < 3


@pytest.mark.parametrize("luma", [0x11, 0x21, 0x12, 0x22, 0x41, 0x14, 0x31, 0x42])
@pytest.mark.parametrize("cover", [None, 13])
def test_any_chroma_sampling_is_decoded(luma: int, cover: int | None) -> None:
    pixels = rgb(flat_jpeg(70, 50, (luma, 0x11, 0x11), level=200), LIMITS, cover=cover)
    assert pixels.shape == ((50, 70, 3) if cover is None else (13, 18, 3))
    assert np.unique(pixels).tolist() == [200]


@pytest.mark.parametrize("format", ["jpeg", "png", "webp", "tiff", "avif"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_orientation_is_applied_without_a_copy(format: str, orientation: int) -> None:
    data = oriented(mosaic(64, 96), format, orientation)
    pixels = rgb(data, LIMITS)
    assert difference(pixels, by_pillow(data)) <= 1
    assert orientation == 1 or format == "tiff" or not pixels.flags.owndata


@pytest.mark.parametrize("format", ["jpeg", "png", "tiff"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_orientation_may_be_left_as_stored(format: str, orientation: int) -> None:
    stored = mosaic(64, 96)
    pixels = rgb(oriented(stored, format, orientation), LIMITS, upright=False)
    assert pixels.shape == stored.shape
    assert np.abs(pixels.astype(int) - stored).mean() < 10


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("long_side", [None, 48])
def test_gray_is_upright_and_contiguous(orientation: int, long_side: int | None) -> None:
    data = oriented(waves(64, 96), "jpeg", orientation, quality=95)
    pixels = gray(data, LIMITS, long_side=long_side)
    expected = Image.fromarray(by_pillow(data)).convert("L")
    if long_side:
        expected = expected.resize((32, 48) if orientation < 5 else (48, 32), Image.Resampling.BOX)
    assert pixels.flags.c_contiguous
    assert difference(pixels, np.asarray(expected)) <= 6


def test_a_mirrored_corrupt_orientation_tag_does_not_stop_decoding() -> None:
    data = oriented(mosaic(20, 10), "jpeg", 6)
    start = data.index(b"Exif") + 6
    assert rgb(data[:start] + b"\xff" * 12 + data[start + 12 :], LIMITS).shape == (10, 20, 3)


@pytest.mark.parametrize(
    ("cover", "shape"),
    [
        (None, (101, 157)),
        (102, (101, 157)),
        (101, (101, 157)),
        (52, (101, 157)),
        (51, (51, 79)),
        (26, (26, 40)),
    ],
)
def test_a_jpeg_is_decoded_at_the_smallest_scale_that_covers(
    cover: int | None, shape: tuple[int, int]
) -> None:
    data = encoded(waves(157, 101), "jpeg", quality=95)
    pixels = rgb(data, LIMITS, cover=cover)
    assert pixels.shape == (*shape, 3)
    # Whole cells only: the last one also averages pixels beyond the picture's edge.
    scale = -(-101 // shape[0])
    full = by_pillow(data)[: 101 // scale * scale, : 157 // scale * scale].astype(float)
    cells = full.reshape(101 // scale, scale, 157 // scale, scale, 3).mean(axis=(1, 3))
    assert np.abs(pixels[: cells.shape[0], : cells.shape[1]] - cells).max() < 6


def test_an_eighth_of_the_size_is_never_decoded() -> None:
    assert rgb(encoded(waves(160, 160), "jpeg"), LIMITS, cover=1).shape == (40, 40, 3)


@pytest.mark.parametrize("side", [1, 2, 7, 8, 9, 15, 16, 17])
def test_tiny_pictures_keep_the_size_the_scale_says(side: int) -> None:
    data = encoded(mosaic(side, side), "jpeg")
    assert rgb(data, LIMITS, cover=1).shape[:2] in {(side, side), (-(-side // 4),) * 2}
    assert gray(data, LIMITS, long_side=1).shape == (1, 1)


@pytest.mark.parametrize("format", ["jpeg", "png"])
@pytest.mark.parametrize("long_side", [1, 16, 63, 64, 65, 640])
def test_gray_never_exceeds_the_long_side_and_never_grows(format: str, long_side: int) -> None:
    pixels = gray(encoded(mosaic(64, 20), format), LIMITS, long_side=long_side)
    assert max(pixels.shape) == min(long_side, 64)


def test_sixteen_bits_are_scaled_not_cut() -> None:
    levels = np.array([[0, 128, 257, 32_896, 65_535]], dtype=np.uint16)
    for format in ("png", "tiff"):
        assert gray(encoded(levels, format), LIMITS).tolist() == [[0, 0, 1, 128, 255]]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.array([[0, 100, 255]], dtype=np.int32), [[0, 100, 255]]),
        (np.array([[-5, 0, 65_535]], dtype=np.int32), [[0, 0, 255]]),
        (np.array([[0, 2**30, 2**31 - 1]], dtype=np.int32), [[0, 128, 255]]),
        (np.array([[0.0, 0.5, 1.0]], dtype=np.float32), [[0, 128, 255]]),
        (np.array([[np.nan, -np.inf, 300.0]], dtype=np.float32), [[0, 0, 255]]),
    ],
)
def test_deep_tiffs_become_bytes(values: np.ndarray, expected: list[list[int]]) -> None:
    assert gray(encoded(values, "tiff"), LIMITS).tolist() == expected


def test_an_animation_is_its_first_frame() -> None:
    frames = [Image.fromarray(mosaic(32, 32, seed)) for seed in range(3)]
    for format in ("gif", "png", "webp", "tiff"):
        options = {"lossless": True} if format == "webp" else {}
        data = encoded(frames[0], format, save_all=True, append_images=frames[1:], **options)
        assert difference(rgb(data, LIMITS), np.asarray(frames[0])) == 0


def test_opaque_alpha_is_no_transparency() -> None:
    pixels = mosaic(20, 20)
    data = encoded(np.dstack([pixels, np.full((20, 20), 255, dtype=np.uint8)]), "png")
    found, alpha = rgb_and_alpha(data, LIMITS._replace(allow_transparency=False))
    assert difference(found, pixels) == 0 and alpha is None


def test_transparent_pixels_lie_on_white_and_alpha_is_kept_upright() -> None:
    rgba = np.dstack(
        [np.zeros((2, 3, 3), dtype=np.uint8), np.array([[0, 51, 255], [255] * 3], dtype=np.uint8)]
    )
    pixels, alpha = rgb_and_alpha(oriented(rgba, "png", 6), LIMITS)
    assert alpha is not None
    assert alpha.tolist() == [[255, 0], [255, 51], [255, 255]]
    assert pixels[..., 1].tolist() == [[0, 255], [0, 204], [0, 0]]
    assert gray(oriented(rgba, "png", 6), LIMITS).tolist() == [[0, 255], [0, 204], [0, 0]]


def transparent_pictures() -> list[bytes]:
    pixels = Image.fromarray(mosaic(20, 20))
    clear = np.dstack([mosaic(20, 20), np.full((20, 20), 254, dtype=np.uint8)])
    sixteen = np.full((20, 20), 500, dtype=np.uint16)
    return [
        encoded(clear, "png"),
        encoded(clear, "webp", lossless=True),
        encoded(clear, "tiff"),
        encoded(Image.fromarray(clear).convert("LA"), "png"),
        encoded(pixels.convert("P"), "png", transparency=pixels.convert("P").getpixel((0, 0))),
        encoded(pixels.convert("P"), "png", transparency=bytes(range(256))),
        encoded(pixels.convert("P"), "gif", transparency=pixels.convert("P").getpixel((0, 0))),
        encoded(pixels, "png", transparency=pixels.getpixel((0, 0))),
        encoded(pixels.convert("L"), "png", transparency=pixels.convert("L").getpixel((0, 0))),
        encoded(Image.fromarray(sixteen), "png", transparency=500),
    ]


@pytest.mark.parametrize("data", transparent_pictures())
def test_any_clear_pixel_is_transparency(data: bytes) -> None:
    assert rgb(data, LIMITS).shape == (20, 20, 3)
    for decode in (rgb, gray):
        with pytest.raises(ImageRejected) as caught:
            decode(data, LIMITS._replace(allow_transparency=False))
        assert caught.value.reason == "transparent"


def test_a_clear_colour_that_no_pixel_has_is_no_transparency() -> None:
    data = encoded(np.full((20, 20), 500, dtype=np.uint16), "png", transparency=7)
    assert rgb(data, LIMITS._replace(allow_transparency=False)).shape == (20, 20, 3)


def test_the_shorter_side_is_judged_upright_after_decoding_and_transparency() -> None:
    limits = LIMITS._replace(min_side=50, allow_transparency=False)
    assert rgb(encoded(mosaic(50, 50), "jpeg"), limits, cover=10).shape == (13, 13, 3)
    for decode in (rgb, gray):
        with pytest.raises(ImageRejected, match="50") as caught:
            decode(encoded(mosaic(49, 80), "jpeg"), limits)
        assert (caught.value.reason, caught.value.limit) == ("too_small", 50)
    clear = np.zeros((20, 20, 4), dtype=np.uint8)
    for data, reason in ((encoded(clear, "png"), "transparent"), (png(20, 20, b"\0\1\2"), "not_loaded")):
        with pytest.raises(ImageRejected) as caught:
            rgb(data, limits)
        assert caught.value.reason == reason
