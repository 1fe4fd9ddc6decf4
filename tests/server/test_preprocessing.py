"""What each public network is shown, against a slow reference made of Pillow calls (contract robotoff 5)."""

from __future__ import annotations

import io

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from kernels.decode import ImageLimits
from models import manifest
from models.manifest import Input, NetworkSpec
from server import errors
from server.pipeline import _Picture
from tests.kernels.pictures import mosaic

LIMITS = ImageLimits(max_bytes=2**24, max_pixels=20_000_000)
# The public ones: what ours take is our own choice.
TAKES_PICTURES = [
    spec
    for spec in manifest.load().networks
    if spec.input is not None and spec.unsupported is None and not spec.name.startswith("aisle-")
]
CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)


def letterbox(image: Image.Image, size: int, grey: int = 114) -> Image.Image:
    scale = size / max(image.size)
    width, height = (max(1, int(side * scale + 1e-9)) for side in image.size)
    canvas = Image.new("RGB", (size, size), (grey, grey, grey))
    small = image.resize((width, height), Image.Resampling.BILINEAR)
    canvas.paste(small, ((size - width) // 2, (size - height) // 2))
    return canvas


def shortest(image: Image.Image, size: int, filter: Image.Resampling) -> Image.Image:
    width, height = image.size
    if width < height:
        image = image.resize((size, int(size * height / width)), filter)
    else:
        image = image.resize((int(size * width / height), size), filter)
    left, top = (image.width - size) // 2, (image.height - size) // 2
    return image.crop((left, top, left + size, top + size))


def reference(name: str, image: Image.Image) -> tuple[Image.Image, tuple[float, ...], tuple[float, ...]]:
    """The picture as the contract wants it, and mean and std; None of it comes from the manifest."""
    plain = (0.0,) * 3, (1.0,) * 3
    halves = (0.5,) * 3, (0.5,) * 3
    if name in ("clip", "clip-vit-b-32"):
        return shortest(image, 224, Image.Resampling.BICUBIC), CLIP_MEAN, CLIP_STD
    if name == "price_proof_classification":
        return shortest(image, 224, Image.Resampling.BILINEAR), *plain
    if name == "front_image_classification":
        return letterbox(image, 448, grey=0), *plain
    if name == "price_tag_detection":
        return letterbox(image, 960), *plain
    if name == "siglip-base-patch16-224":
        # One axis at a time: newer versions of Pillow may take the cheaper one first.
        wide = image.resize((224, image.height), Image.Resampling.BICUBIC)
        return wide.resize((224, 224), Image.Resampling.BICUBIC), *halves
    if name == "nutrition_extractor":
        return image.resize((224, 224), Image.Resampling.BILINEAR), *halves
    if name == "stub":
        return image.resize((32, 32), Image.Resampling.BILINEAR), *halves
    assert name in ("nutriscore", "nutrition_table", "universal_logo_detector_yolo"), name
    return letterbox(image, 640), *plain


def prepared(wanted: Input, data: bytes) -> NDArray[np.float32]:
    slot = np.full((3, wanted.size, wanted.size), np.nan, np.float32)
    _Picture(data, wanted, LIMITS).prepare(slot)
    return slot


def encoded(image: Image.Image, orientation: int = 1) -> bytes:
    stream, exif = io.BytesIO(), Image.Exif()
    exif[0x0112] = orientation
    image.save(stream, "PNG", exif=exif)
    return stream.getvalue()


def levels(slot: NDArray[np.float32], wanted: Input) -> NDArray[np.float64]:
    """The grey levels (S, S, 3) that were normalised into a slot."""
    mean, std = (np.array(each).reshape(3, 1, 1) for each in (wanted.mean, wanted.std))
    return ((slot * std + mean) * 255).transpose(1, 2, 0)


@pytest.mark.parametrize("size", [(1280, 960), (301, 517), (640, 640), (1000, 37), (50, 80)])
@pytest.mark.parametrize("spec", TAKES_PICTURES, ids=[spec.name for spec in TAKES_PICTURES])
def test_the_slot_is_what_the_contract_says(spec: NetworkSpec, size: tuple[int, int]) -> None:
    assert spec.input is not None
    image = Image.fromarray(mosaic(*size))
    expected, mean, std = reference(spec.name, image)
    slot = prepared(spec.input, encoded(image))
    # Within a grey level at every pixel: Pillow rounds after each axis, the bilinear kernel does not.
    wanted = (np.asarray(expected) / 255.0 - mean) / std
    assert slot.shape == (3, *expected.size)
    assert (np.abs(slot.transpose(1, 2, 0) - wanted) * std).max() <= 1.001 / 255
    if spec.input.filter == "bicubic":
        np.testing.assert_allclose(levels(slot, spec.input), np.asarray(expected), atol=1e-3)


@pytest.mark.parametrize("name", ["clip", "clip-vit-b-32"])
def test_logos_fill_the_square_of_clip(name: str) -> None:
    spec = manifest.load().find(name)
    assert spec is not None and spec.input is not None
    image = Image.fromarray(mosaic(301, 97))
    wide = image.resize((224, 97), Image.Resampling.BICUBIC)
    expected = np.asarray(wide.resize((224, 224), Image.Resampling.BICUBIC))
    slot = prepared(spec.input.of_objects(), encoded(image))
    np.testing.assert_allclose(levels(slot, spec.input), expected, atol=1e-3)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("name", ["clip", "nutriscore", "price_proof_classification"])
def test_the_orientation_of_the_camera_comes_first(name: str, orientation: int) -> None:
    spec = manifest.load().find(name)
    assert spec is not None and spec.input is not None
    upright = Image.fromarray(mosaic(301, 517))
    back = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # what undoes each orientation, as Pillow numbers them
    stored = upright.transpose(Image.Transpose(back[orientation])) if orientation > 1 else upright
    expected, mean, std = reference(name, upright)
    slot = prepared(spec.input, encoded(stored, orientation))
    wanted = (np.asarray(expected) / 255.0 - mean) / std
    assert (np.abs(slot.transpose(1, 2, 0) - wanted) * std).max() <= 1.001 / 255


@pytest.mark.parametrize("size", [(2000, 1501), (1333, 751), (3001, 2000)])
@pytest.mark.parametrize("name", ["nutriscore", "clip"])
def test_a_jpeg_decoded_at_a_fraction_lies_in_the_same_place(name: str, size: tuple[int, int]) -> None:
    spec = manifest.load().find(name)
    assert spec is not None and spec.input is not None
    image = Image.fromarray(mosaic(*size)).resize((size[0] // 16, size[1] // 16)).resize(size)
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=95)
    expected, mean, std = reference(name, Image.open(io.BytesIO(stream.getvalue())))
    slot = prepared(spec.input, stream.getvalue())
    wanted = ((np.asarray(expected) / 255.0 - mean) / std).transpose(2, 0, 1)
    # The decoder's own shrinking is another filter: alike on the whole, the borders exactly where they were.
    assert (np.abs(slot - wanted).transpose(1, 2, 0) * std).mean() < 2 / 255
    if spec.input.geometry == "letterbox":
        border = np.isclose(wanted, 114 / 255, atol=1e-6).all(axis=(0, 2))
        assert border.any()
        np.testing.assert_array_equal(np.isclose(slot, 114 / 255, atol=1e-6).all(axis=(0, 2)), border)


def test_bytes_for_a_gpu_are_the_same_levels() -> None:
    spec = manifest.load().find("clip")
    assert spec is not None and spec.input is not None
    data = encoded(Image.fromarray(mosaic(640, 480)))
    takes_bytes = msgspec.structs.replace(spec.input, dtype="uint8")
    slot = np.zeros((3, 224, 224), np.uint8)
    _Picture(data, takes_bytes, LIMITS).prepare(slot)
    floats = levels(prepared(spec.input, data), spec.input)
    np.testing.assert_array_equal(slot.transpose(1, 2, 0), np.rint(floats))


# ---- Boxes, against the contract written out one box at a time ----


def slow_detections(
    output: NDArray[np.float32], labels: tuple[str, ...], size: tuple[int, int], side: int, threshold: float
) -> list[tuple[str, float, tuple[float, ...]]]:
    width, height = size
    scale = side / max(size)
    pad_x, pad_y = (side - int(width * scale + 1e-9)) // 2, (side - int(height * scale + 1e-9)) // 2
    found = []
    for column in output.T:
        best = int(np.argmax(column[4:]))
        score = float(column[4 + best])
        if score < threshold:
            continue
        x, y, w, h = (float(value) for value in column[:4])
        corners = [
            ((y - h / 2) - pad_y) / scale / height,
            ((x - w / 2) - pad_x) / scale / width,
            ((y + h / 2) - pad_y) / scale / height,
            ((x + w / 2) - pad_x) / scale / width,
        ]
        y0, x0, y1, x1 = (min(max(value, 0.0), 1.0) for value in corners)
        if y1 > y0 and x1 > x0:
            found.append((labels[best], score, (y0, x0, y1, x1)))
    found.sort(key=lambda each: -each[1])
    kept: list[tuple[str, float, tuple[float, ...]]] = []
    for candidate in found:
        if all(overlap(candidate[2], other[2]) <= 0.7 for other in kept):
            kept.append(candidate)
    return kept


def overlap(a: tuple[float, ...], b: tuple[float, ...]) -> float:
    height, width = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    if height <= 0 or width <= 0:
        return 0.0
    shared = height * width
    return shared / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared)


@pytest.mark.parametrize("size", [(1280, 960), (1000, 333), (301, 517), (640, 640)])
@pytest.mark.parametrize("name", ["nutriscore", "price_tag_detection"])
def test_boxes_are_those_of_the_contract(name: str, size: tuple[int, int]) -> None:
    spec = manifest.load().find(name)
    assert spec is not None and spec.input is not None
    rng = np.random.default_rng(size[0])
    side, count = spec.input.size, 400
    output = np.empty((4 + len(spec.labels), count), np.float32)
    # Clusters, so that suppression has something to do; some reach over the edges.
    centres = rng.uniform(0, side, (20, 2))[rng.integers(0, 20, count)] + rng.normal(0, 12, (count, 2))
    output[:2] = centres.T
    output[2:4] = rng.uniform(20, 200, (2, count))
    output[4:] = rng.uniform(0, 1, (len(spec.labels), count)).astype(np.float32)
    picture = _Picture(encoded(Image.fromarray(mosaic(*size))), spec.input, LIMITS)
    picture.prepare(np.empty((3, side, side), np.float32))
    picture.outcome = output
    found = picture.detections(spec, 0.5)
    expected = slow_detections(output, spec.labels, size, side, 0.5)
    assert not isinstance(found, errors.AisleError)
    assert [(each.label, each.score) for each in found] == [each[:2] for each in expected]
    np.testing.assert_allclose(
        [each.bounding_box for each in found], [each[2] for each in expected], atol=2e-6
    )
