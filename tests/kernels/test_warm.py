"""After warming, no request compiles anything, whatever layout its picture has."""

from __future__ import annotations

import ast
from pathlib import Path

import numpy as np
import pytest
from numba.core.registry import CPUDispatcher

import kernels
from kernels import (
    bicubic,
    boxes,
    decode,
    descriptors,
    features,
    filters,
    keypoints,
    matching,
    resize,
    scale_space,
    score,
)
from kernels.warm import warm
from tests.kernels.pictures import LIMITS, mosaic, oriented, waves

MODULES = (bicubic, boxes, descriptors, features, filters, keypoints, matching, resize, scale_space, score)


def compiled() -> dict[str, int]:
    """How many versions of each kernel exist; none of one that only ever runs inside another."""
    return {
        f"{kernel.py_func.__module__}.{name}": len(kernel.signatures)
        for module in MODULES
        for name, kernel in vars(module).items()
        if isinstance(kernel, CPUDispatcher)
    }


def test_warming_compiles_kernels_of_every_module_that_has_some() -> None:
    warm()
    modules = {name.rpartition(".")[0] for name in compiled()}
    assert {name.rpartition(".")[0] for name, versions in compiled().items() if versions} == modules
    assert {"kernels.resize", "kernels.boxes", "kernels.score"} <= modules


def test_every_module_with_a_kernel_is_warmed() -> None:
    folder = Path(next(iter(kernels.__path__)))
    with_kernels = {path.stem for path in folder.glob("*.py") if "@njit" in path.read_text()}
    calls = [
        node for node in ast.walk(ast.parse((folder / "warm.py").read_text())) if isinstance(node, ast.Call)
    ]
    assert with_kernels <= {call.func.value.id for call in calls if isinstance(call.func, ast.Attribute)}  # type: ignore[attr-defined]


@pytest.mark.parametrize("dtype", [np.float32, np.uint8])
def test_no_picture_compiles_anything_new(dtype: type) -> None:
    warm()
    before = compiled()
    batch = np.zeros((4, 3, 32, 32), dtype=dtype)
    for format in ("jpeg", "png", "tiff"):
        for orientation in range(1, 9):
            pixels = decode.rgb(oriented(mosaic(90, 70), format, orientation), LIMITS, cover=32)
            for geometry in ("center_crop", "letterbox", "stretch"):
                for kind in ("bilinear", "bicubic"):
                    slot = batch[orientation % 4]
                    resize.into_slot(pixels, slot, geometry=geometry, box=(1, 2, 20.5, 21), kind=kind)
            resize.into_slot(pixels[2:, 3:], batch[0], geometry="stretch", mean=np.zeros(3, dtype=np.float32))
    assert compiled() == before


def test_no_list_of_boxes_or_scores_compiles_anything_new() -> None:
    warm()
    before = compiled()
    output = np.random.default_rng(0).uniform(0, 1, (7, 30)).astype(np.float32)
    output.flags.writeable = False
    for view in (output, output[:, ::2], output.T.copy().T, output[:, :0]):
        found, scores, _ = boxes.yolo_decode(view, 0.1)
        boxes.nms(found, scores, 0.5, 0.9)
        boxes.nms(found[::-1], scores[::-1], 1, 1)
        boxes.iou(found[1:], found.astype(np.float64))
        score.top_k_merge([(np.arange(len(scores)), scores)], np.int64(3))
        score.vote_weights(scores)
    assert compiled() == before


def test_no_local_features_compile_anything_new() -> None:
    warm()
    before = compiled()
    photo = waves(160, 120)[..., 0]
    found = [
        features.extract(gray)
        for gray in (mosaic(160, 120)[..., 1].copy(), photo.copy(), photo[:20, :20].copy())
    ]
    matching.consistent(
        found[0].keypoints,
        found[1].keypoints,
        matching.ratio_matches(found[0].descriptors, found[1].descriptors),
    )
    assert compiled() == before
