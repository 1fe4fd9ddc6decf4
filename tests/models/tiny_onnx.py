"""ONNX files small enough to make in a test: the mean colour of a picture, times a matrix."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from models.installed import file_sha256
from models.manifest import Input, NetworkSpec, Shipped

SIZE = 8
MATRIX = np.arange(12, dtype=np.float32).reshape(3, 4)


def write(
    path: Path,
    *,
    batch: int | str = "N",
    size: int = SIZE,
    element: int = TensorProto.FLOAT,
    declared: Sequence[int | str] = ("N", 4),
    reshape: Sequence[int] | None = None,
    keep: int | None = None,
) -> Path:
    """Input `pixels` (batch, 3, size, size); outputs `vector` (N, 4) and `colour` (N, 3).

    `declared` is what the graph says of the shape of `vector`. At the end `vector` is given the shape
    `reshape`, or loses all but `keep` columns, which only shows when it runs.
    """
    nodes = [
        helper.make_node("GlobalAveragePool", ["pixels"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["colour"]),
        helper.make_node("MatMul", ["colour", "matrix"], ["plain" if reshape or keep else "vector"]),
    ]
    weights = [numpy_helper.from_array(MATRIX, "matrix")]
    if reshape:
        nodes.append(helper.make_node("Reshape", ["plain", "shape"], ["vector"]))
        weights.append(numpy_helper.from_array(np.array(reshape, np.int64), "shape"))
    elif keep:
        nodes.append(helper.make_node("Compress", ["plain", "kept"], ["vector"], axis=1))
        weights.append(numpy_helper.from_array(np.arange(4) < keep, "kept"))
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("pixels", element, [batch, 3, size, size])],
        [
            helper.make_tensor_value_info("vector", TensorProto.FLOAT, list(declared)),
            helper.make_tensor_value_info("colour", TensorProto.FLOAT, ["N", 3]),
        ],
        weights,
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def spec(path: Path, **changes: Any) -> NetworkSpec:
    """The manifest entry of the file as `write` makes it by default."""
    fields: dict[str, Any] = {
        "name": "tiny",
        "version": "1",
        "task": "embed",
        "source": Shipped(path=str(path)),
        "sha256": file_sha256(path),
        "licence": "Apache-2.0",
        "embedding_space": "tiny",
        "dimension": 4,
        "batch_buckets": (1, 2, 4),
        "input": Input(size=SIZE, geometry="stretch"),
    }
    return NetworkSpec(**{**fields, **changes})
