"""An ONNX network that reads tokens: token classifiers and text encoders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.installed import Installed
from models.manifest import NetworkSpec
from models.network import locate
from models.session import open_session, usable_cores
from models.tensors import check_shape, check_text


def load(
    spec: NetworkSpec,
    installed: Installed,
    *,
    providers: Sequence[str] = ("cuda", "cpu"),
    require_gpu: bool = False,
) -> TextNetwork:
    """The text network of a manifest entry; raises NetworkMissing or NetworkRejected."""
    path = locate(spec, installed)
    return TextNetwork(spec, path, providers=providers, require_gpu=require_gpu)


class TextNetwork:
    """One ONNX Runtime session; one run at a time, from any thread."""

    def __init__(
        self,
        spec: NetworkSpec,
        path: Path,
        *,
        providers: Sequence[str] = ("cuda", "cpu"),
        require_gpu: bool = False,
    ) -> None:
        """Loads, and checks names, types and shapes; raises NetworkRejected."""
        self.spec = spec
        self._session = open_session(spec, path, providers, usable_cores(), require_gpu=require_gpu)
        self.provider: str = self._session.get_providers()[0]
        self._output = check_text(spec, self._session)
        self._inputs = {each.name for each in self._session.get_inputs()}
        self._turn = Lock()

    def run(self, inputs: Mapping[str, NDArray[Any]]) -> NDArray[np.float32]:
        """The manifest's output for all inputs by name; "N" and "T" are the same in each of them.

        Raises ValueError for other names, types or shapes, more rows than the largest batch, or more tokens
        than the network reads.
        """
        if set(inputs) != self._inputs:
            raise ValueError(f"{self.spec.name} takes {sorted(self._inputs)}, not {sorted(inputs)}")
        free: dict[str, int] = {}
        for name, tensor in self.spec.inputs.items():
            _match(name, inputs[name], tensor.dtype, tensor.shape, free)
        if self.spec.max_tokens is not None and free.get("T", 0) > self.spec.max_tokens:
            raise ValueError(f"{self.spec.name} reads {self.spec.max_tokens} tokens, not {free['T']}")
        if free.get("N", 0) > self.spec.batch_buckets[-1]:
            raise ValueError(f"{self.spec.name} takes {self.spec.batch_buckets[-1]} texts, not {free['N']}")
        with self._turn:
            (found,) = self._session.run([self._output], dict(inputs))
        check_shape(self.spec, None, found.shape)
        array: NDArray[np.float32] = found
        return array


def _match(
    name: str, array: NDArray[Any], dtype: str, shape: Sequence[int | str], free: dict[str, int]
) -> None:
    if dtype != "string" and array.dtype != dtype:
        raise ValueError(f"{name} must be {dtype}, not {array.dtype}")
    if array.ndim != len(shape):
        raise ValueError(f"{name} must be {tuple(shape)}, not {array.shape}")
    for size, wanted in zip(array.shape, shape, strict=True):
        if size != (wanted if isinstance(wanted, int) else free.setdefault(wanted, size)):
            raise ValueError(f"{name} must be {tuple(shape)}, not {array.shape}")
