"""/vision/v1/detect from a file of any kind to boxes, with a detector whose answer is known."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from tests.conftest import ClientFactory
from tests.models import red_detector
from tests.server.vision.samples import GARBAGE, JPEG, fault, form

SIZE = 320


@pytest.fixture
async def http(client: ClientFactory, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    path = red_detector.write(tmp_path / "red.onnx", SIZE, labels=2, label=1)
    spec = red_detector.spec(path, SIZE)
    manifest = tmp_path / "manifest.toml"
    manifest.write_text(f"""
[defaults]
detect = ["red"]
[purposes]
red-things = ["nutriscore", "red"]
far-things = ["nutriscore"]
[[networks]]
name = "red"
version = "7"
task = "detect"
source = {{ kind = "file", path = "red.onnx" }}
sha256 = "{spec.sha256}"
licence = "Apache-2.0"
labels = ["blue", "red"]
batch_buckets = [1, 2]
input = {{ name = "images", size = {SIZE}, geometry = "letterbox" }}
""")
    async with client(vision_open=True, manifest=manifest) as http:
        yield http


def drawing(
    width: int, height: int, box: tuple[int, int, int, int], kind: str = "PNG", **options: Any
) -> bytes:
    """A red rectangle (x_min, y_min, x_max, y_max) on white."""
    pixels = np.full((height, width, 3), 255, np.uint8)
    x_min, y_min, x_max, y_max = box
    pixels[y_min:y_max, x_min:x_max] = (255, 0, 0)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, kind, **options)
    return stream.getvalue()


async def detections(http: httpx.AsyncClient, data: bytes, query: str = "") -> list[dict[str, Any]]:
    answer = await http.post(f"/vision/v1/detect{query}", content=data, headers=JPEG)
    assert answer.status_code == 200, answer.text
    (result,) = answer.json()["results"]
    found: list[dict[str, Any]] = result["detections"]
    return found


@pytest.mark.parametrize(
    ("size", "box"),
    [
        ((320, 320), (40, 80, 200, 240)),
        # Exactly a half: 320 x 160 with 80 rows above and below.
        ((640, 320), (128, 32, 384, 160)),
        ((320, 640), (32, 128, 160, 384)),
        ((640, 320), (0, 0, 640, 320)),
    ],
)
async def test_the_answer_is_exact(
    http: httpx.AsyncClient, size: tuple[int, int], box: tuple[int, int, int, int]
) -> None:
    answer = await http.post("/vision/v1/detect", content=drawing(*size, box), headers=JPEG)
    width, height = size
    x_min, y_min, x_max, y_max = box
    assert answer.json() == {
        "model": "red",
        "version": "7",
        "results": [
            {
                "detections": [
                    {
                        "label": "red",
                        "score": red_detector.SCORE,
                        "bounding_box": [y_min / height, x_min / width, y_max / height, x_max / width],
                    }
                ]
            }
        ],
    }


@pytest.mark.parametrize("size", [(1000, 333), (777, 1201), (321, 319), (90, 45), (3000, 2001)])
@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
async def test_boxes_of_any_picture_come_back_within_a_pixel_of_the_network(
    http: httpx.AsyncClient, size: tuple[int, int], kind: str
) -> None:
    width, height = size
    box = (width // 5, height // 4, width * 3 // 5, height * 3 // 4)
    (found,) = await detections(http, drawing(width, height, box, kind))
    expected = (box[1] / height, box[0] / width, box[3] / height, box[2] / width)
    slack = 1.01 * max(size) / SIZE
    for value, truth, side in zip(
        found["bounding_box"], expected, (height, width, height, width), strict=True
    ):
        assert abs(value - truth) * side <= slack


@pytest.mark.parametrize("orientation", range(1, 9))
async def test_boxes_are_those_of_the_upright_picture(http: httpx.AsyncClient, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    upright = Image.open(io.BytesIO(drawing(640, 320, (64, 32, 256, 96))))
    back = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # what undoes each orientation, as Pillow numbers them
    stored = upright.transpose(Image.Transpose(back[orientation])) if orientation > 1 else upright
    stream = io.BytesIO()
    stored.save(stream, "PNG", exif=exif)
    (found,) = await detections(http, stream.getvalue())
    assert found["bounding_box"] == [32 / 320, 64 / 640, 96 / 320, 256 / 640]


async def test_overlapping_boxes_are_one_and_the_threshold_is_kept(http: httpx.AsyncClient) -> None:
    data = drawing(320, 320, (10, 10, 100, 100))
    assert len(await detections(http, data, "?threshold=0")) == 1
    assert len(await detections(http, data, f"?threshold={red_detector.SCORE}")) == 1
    assert await detections(http, data, "?threshold=0.88") == []


async def test_a_network_is_found_by_what_it_is_for(http: httpx.AsyncClient) -> None:
    data = drawing(320, 320, (10, 10, 100, 100))
    answer = await http.post("/vision/v1/detect?model=red-things", content=data, headers=JPEG)
    assert answer.json()["model"] == "red"
    missing = await http.post("/vision/v1/detect?model=far-things", content=data, headers=JPEG)
    fault(missing, 503, "NETWORK_UNAVAILABLE")
    wrong = await http.post("/vision/v1/embed?model=red-things", content=data, headers=JPEG)
    fault(wrong, 404, "NOT_FOUND")


async def test_many_pictures_each_have_their_own_answer(http: httpx.AsyncClient) -> None:
    boxes = [(10 * n, 20, 10 * n + 40, 90) for n in range(1, 12)]
    images = form(*[drawing(320, 160, box) for box in boxes], GARBAGE)
    answer = await http.post("/vision/v1/detect?model=red", files=images)
    *good, bad = answer.json()["results"]
    for result, (x_min, y_min, x_max, y_max) in zip(good, boxes, strict=True):
        (found,) = result["detections"]
        assert found["bounding_box"] == pytest.approx(
            [y_min / 160, x_min / 320, y_max / 160, x_max / 320], abs=1e-6
        )
    assert bad["error"]["code"] == "IMAGE_NOT_LOADED"
