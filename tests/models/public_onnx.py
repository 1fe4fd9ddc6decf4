"""Graphs with the tensors of the public networks and next to no weights: shapes are true, answers mean nothing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import NodeProto, TensorProto, helper, numpy_helper

from models.manifest import NetworkSpec

# Candidates of a YOLO graph: one for each cell of the strides 8, 16 and 32.
CANDIDATES = {640: 8400, 960: 18900}
Value = tuple[str, int, Sequence[int | str]]


def save(
    path: Path,
    nodes: Sequence[NodeProto],
    inputs: Sequence[Value],
    outputs: Sequence[Value],
    weights: dict[str, np.ndarray],
) -> Path:
    def values(each: Sequence[Value]) -> list[onnx.ValueInfoProto]:
        return [helper.make_tensor_value_info(name, kind, list(shape)) for name, kind, shape in each]

    graph = helper.make_graph(
        list(nodes),
        "public",
        values(inputs),
        values(outputs),
        [numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def write(path: Path, spec: NetworkSpec, *, seed: int = 0) -> Path:
    """A graph with random weights that fits the manifest's entry."""
    rng = np.random.default_rng(seed)
    if spec.task == "text":
        return _text(path, spec, rng)
    return {"embed": _encoder, "detect": _yolo, "classify": _classifier}[spec.task](path, spec, rng)


def _pooled(name: str) -> list[NodeProto]:
    """(N, 3, S, S) to the mean colour (N, 3)."""
    return [
        helper.make_node("GlobalAveragePool", [name], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["colour"]),
    ]


def _encoder(path: Path, spec: NetworkSpec, rng: np.random.Generator) -> Path:
    assert spec.input is not None and spec.dimension is not None
    name = spec.input.name or "pixels"
    size = spec.input.size
    # Exports leave the batch, and often every axis, free.
    inputs: list[Value] = [(name, TensorProto.FLOAT, ("batch", 3, size, size))]
    nodes = [
        *_pooled(name),
        helper.make_node("MatMul", ["colour", "matrix"], ["plain"]),
        helper.make_node("Add", ["plain", "offset"], [spec.output or "vector"]),
    ]
    for constant in spec.constants:
        inputs.append((constant, TensorProto.INT64, ("text_batch", "tokens")))
    if spec.constants:
        # The text takes part in another output, as in CLIP.
        nodes += [
            helper.make_node("Cast", [each], [f"{each}_float"], to=TensorProto.FLOAT)
            for each in spec.constants
        ]
        nodes.append(helper.make_node("Add", [f"{each}_float" for each in spec.constants], ["text"]))
    outputs: list[Value] = [(spec.output or "vector", TensorProto.FLOAT, ("batch", spec.dimension))]
    if spec.constants:
        outputs.insert(0, ("text", TensorProto.FLOAT, ("text_batch", "tokens")))
    weights = {
        "matrix": rng.standard_normal((3, spec.dimension)).astype(np.float32),
        "offset": rng.standard_normal(spec.dimension).astype(np.float32),
    }
    return save(path, nodes, inputs, outputs, weights)


def _yolo(path: Path, spec: NetworkSpec, rng: np.random.Generator) -> Path:
    assert spec.input is not None
    size = spec.input.size
    rows, count = 4 + len(spec.labels), CANDIDATES[size]
    shape = np.array([1, rows, count], np.int64)
    nodes = [
        *_pooled(spec.input.name or "images"),
        helper.make_node("MatMul", ["colour", "matrix"], ["row"]),
        helper.make_node("Sigmoid", ["row"], ["share"]),
        helper.make_node("Mul", ["share", "scale"], ["scaled"]),
        helper.make_node("Unsqueeze", ["scaled", "last"], ["column"]),
        helper.make_node("Expand", ["column", "shape"], ["output0"]),
    ]
    weights = {
        "matrix": rng.standard_normal((3, rows)).astype(np.float32),
        "scale": np.array([size] * 4 + [1.0] * len(spec.labels), np.float32),
        "last": np.array([2], np.int64),
        "shape": shape,
    }
    return save(
        path,
        nodes,
        [(spec.input.name or "images", TensorProto.FLOAT, (1, 3, size, size))],
        [("output0", TensorProto.FLOAT, (1, rows, count))],
        weights,
    )


def _classifier(path: Path, spec: NetworkSpec, rng: np.random.Generator) -> Path:
    assert spec.input is not None
    size, labels = spec.input.size, len(spec.labels)
    nodes = [
        *_pooled(spec.input.name or "images"),
        helper.make_node("MatMul", ["colour", "matrix"], ["plain"]),
        helper.make_node("Softmax", ["plain"], ["output0"], axis=1),
    ]
    return save(
        path,
        nodes,
        [(spec.input.name or "images", TensorProto.FLOAT, ("batch", 3, size, size))],
        [("output0", TensorProto.FLOAT, ("batch", labels))],
        {"matrix": rng.standard_normal((3, labels)).astype(np.float32)},
    )


def _text(path: Path, spec: NetworkSpec, rng: np.random.Generator) -> Path:
    """Each token's number through a sine of many frequencies: (N, T, D), or their mean (N, D)."""
    width = int(spec.output_shape[-1])
    inputs: list[Value] = []
    nodes: list[NodeProto] = []
    weights = {
        "frequencies": rng.standard_normal((1, width)).astype(np.float32),
        "last": np.array([-1], np.int64),
        "tokens": np.array([1], np.int64),
    }
    for name, tensor in spec.inputs.items():
        shape: list[int | str] = [
            {"N": "batch", "T": "sequence"}.get(str(each), each) for each in tensor.shape
        ]
        inputs.append((name, TensorProto.INT64, shape))
        if name != "input_ids":
            # Asked for, and used by nothing that matters here.
            nodes.append(helper.make_node("Shape", [name], [f"{name}_shape"]))
    if spec.input is not None:
        inputs.append((spec.input.name or "pixel_values", TensorProto.FLOAT, ("batch", 3, 224, 224)))
    nodes += [
        helper.make_node("Cast", ["input_ids"], ["ids"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["ids", "last"], ["column"]),
        helper.make_node("MatMul", ["column", "frequencies"], ["waves"]),
        helper.make_node("Sin", ["waves"], ["sines"]),
    ]
    output = spec.output or "logits"
    if len(spec.output_shape) == 2:
        nodes.append(helper.make_node("ReduceMean", ["sines"], [output], axes=[1], keepdims=0))
        declared: list[int | str] = ["batch", width]
    else:
        nodes.append(helper.make_node("Identity", ["sines"], [output]))
        declared = ["batch", "sequence", width]
    return save(path, nodes, inputs, [(output, TensorProto.FLOAT, declared)], weights)
