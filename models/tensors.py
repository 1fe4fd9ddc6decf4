"""Whether a graph's tensors are those of its manifest entry: names, types and shapes, with a reason if not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import onnxruntime

from models.manifest import NetworkSpec, Tensor
from models.session import NetworkRejected

Shape = Sequence[int | str | None]

_TYPES = {
    "tensor(float)": "float32",
    "tensor(uint8)": "uint8",
    "tensor(int64)": "int64",
    "tensor(string)": "string",
}


def check_picture(
    spec: NetworkSpec, session: onnxruntime.InferenceSession, buckets: tuple[int, ...]
) -> tuple[str, str]:
    """The names of the picture's input and of the output to take; raises NetworkRejected."""
    if spec.input is None:
        raise NetworkRejected(f"{spec.name}: a network without an input table takes no pictures")
    inputs = {each.name: each for each in session.get_inputs()}
    name = _picture_name(spec, inputs)
    _check_names(spec, inputs, {name, *spec.constants})
    batch = buckets[0] if len(buckets) == 1 else "N"
    side = spec.input.size
    picture = f"with N in {buckets}" if batch == "N" else ""
    _check(spec, inputs[name], spec.input.dtype, (batch, 3, side, side), picture)
    for constant, row in spec.constants.items():
        _check(spec, inputs[constant], "int64", ("N", len(row)))
    return name, check_output(spec, session)


def check_text(spec: NetworkSpec, session: onnxruntime.InferenceSession) -> str:
    """The name of the output of a network that reads tokens; raises NetworkRejected."""
    inputs = {each.name: each for each in session.get_inputs()}
    wanted: dict[str, Tensor] = dict(spec.inputs)
    if not wanted:
        raise NetworkRejected(f"{spec.name}: its entry in the manifest names no inputs")
    if spec.input is not None:
        name = _picture_name(spec, inputs)
        wanted[name] = Tensor(shape=("N", 3, spec.input.size, spec.input.size))
    _check_names(spec, inputs, set(wanted))
    for name, tensor in wanted.items():
        _check(spec, inputs[name], tensor.dtype, tensor.shape)
    return check_output(spec, session)


def check_output(spec: NetworkSpec, session: onnxruntime.InferenceSession) -> str:
    """The name of the output to take, after its declared shape was compared; raises NetworkRejected."""
    outputs = {each.name: each for each in session.get_outputs()}
    name = spec.output or next(iter(outputs))
    if name not in outputs:
        raise NetworkRejected(f"{spec.name}: the graph has no output {name!r}, only {_list(outputs)}")
    check_shape(spec, None, outputs[name].shape)
    return name


def check_shape(spec: NetworkSpec, count: int | None, shape: Shape) -> None:
    """Compares an output shape, declared or real, with the manifest; `count` None: any batch."""
    wanted: Shape = {
        "embed": (count, spec.dimension),
        "classify": (count, len(spec.labels)),
        # Boxes as 4 + labels rows, one column per candidate.
        "detect": (count, 4 + len(spec.labels), None),
    }.get(spec.task, tuple(size if isinstance(size, int) else None for size in spec.output_shape))
    if not _fits(shape, wanted):
        expected = "(" + ", ".join(str(want) if isinstance(want, int) else "any" for want in wanted) + ")"
        raise NetworkRejected(f"{spec.name}: the output is {tuple(shape)}, the manifest says {expected}")


def _picture_name(spec: NetworkSpec, inputs: Mapping[str, Any]) -> str:
    assert spec.input is not None
    if spec.input.name is not None:
        return spec.input.name
    rest = [name for name in inputs if name not in spec.constants and name not in spec.inputs]
    if len(rest) != 1:
        raise NetworkRejected(
            f"{spec.name}: the graph has {len(inputs)} inputs, one is expected: {_list(inputs)}; "
            "input.name says which takes the picture, constants what the others get"
        )
    return rest[0]


def _check_names(spec: NetworkSpec, inputs: Mapping[str, Any], wanted: set[str]) -> None:
    missing, extra = sorted(wanted - set(inputs)), sorted(set(inputs) - wanted)
    if missing:
        raise NetworkRejected(f"{spec.name}: the graph has no input {_list(missing)}, only {_list(inputs)}")
    if extra:
        raise NetworkRejected(f"{spec.name}: the graph asks for {_list(extra)}, which the manifest lacks")


def _check(spec: NetworkSpec, found: Any, dtype: str, shape: Shape, hint: str = "") -> None:
    kind = _TYPES.get(found.type, found.type)
    if kind != dtype:
        raise NetworkRejected(f"{spec.name}: {found.name} takes {kind}, the manifest says {dtype}")
    if not _fits(found.shape, shape):
        expected = " ".join(filter(None, ["(" + ", ".join(map(str, shape)) + ")", hint]))
        raise NetworkRejected(
            f"{spec.name}: {found.name} takes {tuple(found.shape)}, the manifest says {expected}"
        )


def _fits(have: Shape, want: Shape) -> bool:
    """Same rank, and the same size wherever both name one; a fixed batch fits only a fixed one.

    The graph may leave free what the manifest fixes. Tokens and candidates may be fixed in the graph.
    """
    if len(have) != len(want):
        return False
    if want and want[0] == "N" and isinstance(have[0], int):
        return False
    return all(
        not isinstance(size, int) or not isinstance(wanted, int) or size == wanted
        for size, wanted in zip(have, want, strict=True)
    )


def _list(names: Any) -> str:
    return ", ".join(sorted(names))
