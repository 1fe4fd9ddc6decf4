"""Moving the normalisation of pixels into the graph, so that a network takes uint8 pictures.

A quarter of the bytes cross the bus to a GPU, and the preparing side only copies. Needs the `onnx` package
(extra `hub`).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import msgspec

from models.installed import file_sha256
from models.manifest import NetworkSpec


class VariantFailed(RuntimeError):
    """The network cannot be given bytes; the message says why."""


def variant(spec: NetworkSpec, path: Path, folder: Path) -> tuple[NetworkSpec, Path]:
    """The entry and the file of the same network with uint8 pictures; made in `folder` the first time.

    `spec` takes float32 pictures. Raises VariantFailed.
    """
    assert spec.input is not None
    wanted = msgspec.structs.replace(spec.input, dtype="uint8", bytes_on_gpu=False)
    # Named after the bytes it was made from and what was put into the graph.
    arithmetic = (
        file_sha256(path)[:12] + "-" + "-".join(f"{value:.4f}" for value in (*wanted.mean, *wanted.std))
    )
    target = folder / f"bytes-{arithmetic}.onnx"
    if not target.is_file():
        aside = target.with_suffix(f".{os.getpid()}.tmp")
        try:
            folder.mkdir(parents=True, exist_ok=True)
            prepend(path, aside, mean=wanted.mean, std=wanted.std, name=wanted.name)
            aside.replace(target)
        except ImportError as error:
            raise VariantFailed("the package onnx is not installed: pip install '.[hub]'") from error
        except Exception as error:  # a full disk, a graph of another form, or whatever onnx raises
            aside.unlink(missing_ok=True)
            raise VariantFailed(str(error)) from error
    return msgspec.structs.replace(spec, input=wanted), target


def prepend(
    source: Path, target: Path, *, mean: Sequence[float], std: Sequence[float], name: str | None = None
) -> None:
    """Writes `source` with (pixel / 255 - mean) / std as its first nodes; the input keeps its name.

    The input `name` (the only one if None) takes float32 (N, 3, S, S); mean and std have one number per channel.
    """
    import numpy as np
    import onnx
    from onnx import helper, numpy_helper

    model = onnx.load(source)
    graph = model.graph
    held = {initializer.name for initializer in graph.initializer}
    (pixels,) = (
        value for value in graph.input if value.name not in held and (name is None or value.name == name)
    )
    if pixels.type.tensor_type.elem_type != onnx.TensorProto.FLOAT:
        raise ValueError(f"{source} does not take float32 pictures")

    # The rest of the graph reads a new name, so that the public name stays with the pixels.
    inner = f"{pixels.name}_normalised"
    for node in graph.node:
        for index, each in enumerate(node.input):
            if each == pixels.name:
                node.input[index] = inner
    # (p / 255 - mean) / std as one multiplication and one addition.
    scale = 1.0 / (255.0 * np.asarray(std, np.float64))
    bias = -np.asarray(mean, np.float64) / np.asarray(std, np.float64)
    for label, values in (("normalise_scale", scale), ("normalise_bias", bias)):
        graph.initializer.append(
            numpy_helper.from_array(values.astype(np.float32).reshape(1, 3, 1, 1), label)
        )
    first = [
        helper.make_node("Cast", [pixels.name], ["normalise_float"], to=onnx.TensorProto.FLOAT),
        helper.make_node("Mul", ["normalise_float", "normalise_scale"], ["normalise_scaled"]),
        helper.make_node("Add", ["normalise_scaled", "normalise_bias"], [inner]),
    ]
    pixels.type.tensor_type.elem_type = onnx.TensorProto.UINT8
    nodes = [*first, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
    onnx.checker.check_model(model)
    onnx.save(model, target)
