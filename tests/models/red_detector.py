"""A detector with a known answer: the box around everything red in the picture, as one YOLO candidate."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from onnx import TensorProto, helper

from models.installed import file_sha256
from models.manifest import Input, NetworkSpec, Shipped
from tests.models.public_onnx import save

SCORE = 0.875


def write(path: Path, size: int, *, labels: int = 1, label: int = 0) -> Path:
    """Takes (N, 3, size, size); gives (N, 4 + labels, 3): the box, the same shifted by one pixel, nothing.

    A pixel is red above 0.7 in the first channel and below 0.3 in the second.
    """
    nodes = [
        helper.make_node("Gather", ["images", "red"], ["r"], axis=1),
        helper.make_node("Gather", ["images", "green"], ["g"], axis=1),
        helper.make_node("Greater", ["r", "high"], ["bright"]),
        helper.make_node("Less", ["g", "low"], ["dark"]),
        helper.make_node("And", ["bright", "dark"], ["is_red"]),
        helper.make_node("Cast", ["is_red"], ["mask"], to=TensorProto.FLOAT),  # (N, S, S)
        helper.make_node("ReduceMax", ["mask"], ["across"], axes=[1], keepdims=0),
        helper.make_node("ReduceMax", ["mask"], ["down"], axes=[2], keepdims=0),
    ]
    for axis in ("across", "down"):
        # Pixel i spans [i, i + 1): the last edge is max(i + 1), the first is size - max(size - i).
        nodes += [
            helper.make_node("Mul", [axis, "ends"], [f"{axis}_ends"]),
            helper.make_node("ReduceMax", [f"{axis}_ends"], [f"{axis}_last"], axes=[1], keepdims=1),
            helper.make_node("Mul", [axis, "starts"], [f"{axis}_starts"]),
            helper.make_node("ReduceMax", [f"{axis}_starts"], [f"{axis}_back"], axes=[1], keepdims=1),
            helper.make_node("Sub", ["size", f"{axis}_back"], [f"{axis}_first"]),
            helper.make_node("Add", [f"{axis}_first", f"{axis}_last"], [f"{axis}_sum"]),
            helper.make_node("Mul", [f"{axis}_sum", "half"], [f"{axis}_centre"]),
            helper.make_node("Sub", [f"{axis}_last", f"{axis}_first"], [f"{axis}_length"]),
        ]
    nodes += [
        helper.make_node(
            "Concat", ["across_centre", "down_centre", "across_length", "down_length"], ["box"], axis=1
        ),
        helper.make_node("Pad", ["box", "room"], ["row"]),
        helper.make_node("Unsqueeze", ["row", "last"], ["column"]),
        helper.make_node("Add", ["column", "offsets"], ["output0"]),
    ]
    offsets = np.zeros((1, 4 + labels, 3), np.float32)
    offsets[0, 4 + label] = (SCORE, SCORE - 0.25, 0.0)
    offsets[0, 0, 1] = 1.0  # the second box: one pixel to the right, suppressed
    position = np.arange(size, dtype=np.float32)[None]
    weights = {
        "red": np.array(0, np.int64),
        "green": np.array(1, np.int64),
        "high": np.array(0.7, np.float32),
        "low": np.array(0.3, np.float32),
        "half": np.array(0.5, np.float32),
        "size": np.array(size, np.float32),
        "ends": position + 1,
        "starts": size - position,
        "room": np.array([0, 0, 0, labels], np.int64),
        "last": np.array([2], np.int64),
        "offsets": offsets,
    }
    return save(
        path,
        nodes,
        [("images", TensorProto.FLOAT, ("N", 3, size, size))],
        [("output0", TensorProto.FLOAT, ("N", 4 + labels, 3))],
        weights,
    )


def spec(path: Path, size: int, labels: tuple[str, ...] = ("red",)) -> NetworkSpec:
    return NetworkSpec(
        name="red",
        version="1",
        task="detect",
        source=Shipped(path=str(path)),
        sha256=file_sha256(path),
        licence="Apache-2.0",
        labels=labels,
        batch_buckets=(1, 2),
        input=Input(size=size, geometry="letterbox", name="images"),
        output="output0",
    )
