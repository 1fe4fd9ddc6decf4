"""A trained module as ONNX: float32, then static int8, each compared with what PyTorch says."""

from __future__ import annotations

import logging
import tempfile
import warnings
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnx
import onnxruntime
import torch
from numpy.typing import NDArray
from onnxruntime import quantization
from torch import Tensor, nn

Floats = NDArray[np.float32]

OPSET = 18
INT8_OPERATORS = ("Conv", "Add", "Relu", "GlobalAveragePool", "AveragePool", "MaxPool", "Concat")


class Difference(NamedTuple):
    """How far two outputs are apart: the largest element, and the smallest and mean cosine of rows."""

    largest: float
    least_cosine: float
    mean_cosine: float

    def __str__(self) -> str:
        return (
            f"largest difference {self.largest:.1e}, "
            f"cosine mean {self.mean_cosine:.4f}, least {self.least_cosine:.4f}"
        )


def write_onnx(
    module: nn.Module, example: Tensor, path: Path, *, inputs: Sequence[str], outputs: Sequence[str]
) -> None:
    """Writes an evaluated module with a free batch dimension `N`; example: one batch of at least two."""
    assert len(example) >= 2, "a batch of one would be taken for a constant"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module.eval(),
            (example,),
            str(path),
            input_names=list(inputs),
            output_names=list(outputs),
            dynamic_shapes=({0: torch.export.Dim("N", min=1, max=1024)},),
            opset_version=OPSET,
            dynamo=True,
            external_data=False,
            verbose=False,
        )
    model = onnx.load(path)
    onnx.checker.check_model(model)
    # The exporter notes where in the source each node comes from: paths of this machine, and half the nodes' bytes.
    for node in model.graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
    del model.graph.metadata_props[:]
    del model.metadata_props[:]
    for value in (*model.graph.input, *model.graph.output, *model.graph.value_info, *model.graph.initializer):
        del value.metadata_props[:]
    onnx.save(model, path)


def quantise(
    source: Path,
    target: Path,
    batches: Iterable[Floats],
    *,
    operators: Sequence[str] = INT8_OPERATORS,
    keep_float: Sequence[str] = (),
) -> None:
    """Writes the float32 network with int8 weights per channel and uint8 activations.

    batches: inputs whose smallest and largest activations set the ranges. keep_float: names of nodes that
    stay as they are. Operators that are not named stay float32, as do their weights.
    """
    with tempfile.TemporaryDirectory() as folder:
        prepared = Path(folder) / "prepared.onnx"
        quantization.shape_inference.quant_pre_process(
            str(source), str(prepared), skip_symbolic_shape=True, skip_optimization=True
        )
        logging.disable(logging.WARNING)
        try:
            quantization.quantize_static(
                str(prepared),
                str(target),
                _Reader(onnxruntime.InferenceSession(source).get_inputs()[0].name, batches),
                quant_format=quantization.QuantFormat.QDQ,
                activation_type=quantization.QuantType.QUInt8,
                weight_type=quantization.QuantType.QInt8,
                per_channel=True,
                op_types_to_quantize=list(operators),
                nodes_to_exclude=list(keep_float),
                calibrate_method=quantization.CalibrationMethod.MinMax,
            )
        finally:
            logging.disable(logging.NOTSET)


def stem(path: Path) -> list[str]:
    """The first convolution of a written network and its ReLU.

    On three channels integers are slower than floats, and every later error passes through it.
    """
    nodes = onnx.load(path).graph.node
    first = next(node for node in nodes if node.op_type == "Conv")
    after = [node.name for node in nodes if node.op_type == "Relu" and first.output[0] in node.input]
    return [first.name, *after]


def compare(expected: Floats, path: Path, batch: Floats) -> Difference:
    """The first output of a written network for a batch against the one that is expected."""
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    found = np.asarray(session.run(None, {session.get_inputs()[0].name: batch})[0], np.float64)
    rows, wanted = found.reshape(len(found), -1), expected.reshape(len(expected), -1).astype(np.float64)
    norms = np.linalg.norm(rows, axis=1) * np.linalg.norm(wanted, axis=1)
    cosines = (rows * wanted).sum(axis=1) / np.maximum(norms, 1e-12)
    return Difference(float(np.abs(rows - wanted).max()), float(cosines.min()), float(cosines.mean()))


class _Reader(quantization.CalibrationDataReader):
    def __init__(self, name: str, batches: Iterable[Floats]) -> None:
        self._feeds: Iterator[dict[str, Any]] = ({name: batch} for batch in batches)

    def get_next(self) -> dict[str, Any] | None:
        return next(self._feeds, None)
