"""An ONNX network that looks at pictures: loaded, checked against its manifest entry, warmed, run."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from models import normalise
from models.installed import Installed
from models.manifest import Code, NetworkSpec
from models.session import PROVIDERS, NetworkRejected, open_session, usable_cores
from models.stub import StubNetwork
from models.tensors import check_picture, check_shape

__all__ = ["PROVIDERS", "Network", "NetworkMissing", "NetworkRejected", "load", "locate", "usable_cores"]

logger = logging.getLogger(__name__)


class NetworkMissing(RuntimeError):
    """The network is not on this machine; the message says how to get it."""


def locate(spec: NetworkSpec, installed: Installed) -> Path:
    """The ONNX file, once all files are as pinned; raises NetworkMissing or NetworkRejected."""
    if spec.unsupported is not None:
        raise NetworkMissing(f"{spec.name} cannot be run here: {spec.unsupported}")
    path = installed.path(spec)
    if path is None:
        raise NetworkMissing(f"{spec.name} is not installed: python -m server models pull {spec.name}")
    mismatch = installed.mismatch(spec)
    if mismatch is not None:
        raise NetworkRejected(f"{spec.name}: {mismatch}")
    return path


def load(
    spec: NetworkSpec,
    installed: Installed,
    *,
    providers: Sequence[str] = ("cuda", "cpu"),
    require_gpu: bool = False,
) -> Network | StubNetwork:
    """The network of a manifest entry, ready to warm; raises NetworkMissing or NetworkRejected."""
    if isinstance(spec.source, Code):
        return StubNetwork(spec)
    path = locate(spec, installed)
    network = Network(spec, path, providers=providers, require_gpu=require_gpu)
    if not (network.is_on_gpu and spec.input is not None and spec.input.bytes_on_gpu):
        return network
    try:
        variant, file = normalise.variant(spec, path, installed.folder_of(spec))
    except normalise.VariantFailed as error:
        logger.warning(
            "pictures go to the GPU as float32", extra={"network": spec.name, "reason": str(error)}
        )
        return network
    del network  # its memory is needed for the other
    return Network(variant, file, providers=providers, require_gpu=require_gpu)


class Network:
    """One ONNX Runtime session, safe to run from several threads.

    `provider` is read from the live session. `lanes` is how many batches may be prepared at the same
    time; `exclusive` networks run one batch at a time whatever the lanes, so that the next batch is
    prepared while this one runs.
    """

    def __init__(
        self,
        spec: NetworkSpec,
        path: Path,
        *,
        providers: Sequence[str] = ("cuda", "cpu"),
        require_gpu: bool = False,
        cores: int | None = None,
    ) -> None:
        """Loads and checks; `cores` stands for "cores" in the manifest, all usable ones unless given.

        Raises NetworkRejected.
        """
        cores = cores or usable_cores()
        self.spec = spec
        self._session = open_session(spec, path, providers, cores, require_gpu=require_gpu)
        self.provider: str = self._session.get_providers()[0]
        self.is_on_gpu = self.provider == PROVIDERS["cuda"]
        threads = cores if spec.threads == "cores" else spec.threads
        self.exclusive = self.is_on_gpu or threads > 1
        lanes = cores if spec.concurrency == "cores" else spec.concurrency
        self.lanes = min(2, lanes) if self.exclusive else lanes
        self.batch_buckets = (self.is_on_gpu and spec.gpu_batch_buckets) or spec.batch_buckets
        self._turn: AbstractContextManager[Any] = Lock() if self.exclusive else nullcontext()
        self._input, self._output = check_picture(spec, self._session, self.batch_buckets)
        # Per bucket, the rows that never change: made once, not per batch.
        self._constants: dict[int, dict[str, NDArray[Any]]] = {
            count: {
                name: np.tile(np.array(row, np.int64), (count, 1)) for name, row in spec.constants.items()
            }
            for count in self.batch_buckets
        }
        self._on_device: dict[int, dict[str, Any]] = {}

    def run(self, batch: NDArray[Any]) -> NDArray[Any]:
        """The manifest's output for a batch (N, 3, S, S) of its dtype; N must be one of the buckets."""
        return self._run(batch, [self._output])[0]

    def run_all(self, batch: NDArray[Any]) -> list[NDArray[Any]]:
        """Every output of the graph, in its order; `batch` as in `run`."""
        return self._run(batch, [output.name for output in self._session.get_outputs()])

    def warm(self) -> None:
        """Runs every bucket once and checks what comes out; raises whatever the network raises."""
        assert self.spec.input is not None
        size = self.spec.input.size
        for count in self.batch_buckets:
            output = self.run(np.zeros((count, 3, size, size), self.spec.input.dtype))
            check_shape(self.spec, count, output.shape)

    def _run(self, batch: NDArray[Any], outputs: list[str]) -> list[NDArray[Any]]:
        count = len(batch)
        if count not in self.batch_buckets:
            # A new shape would grow the memory arena for good.
            raise ValueError(f"{self.spec.name}: a batch of {count} is none of {self.batch_buckets}")
        with self._turn:
            if self.is_on_gpu:
                return self._run_bound(batch, outputs)
            arrays: list[NDArray[Any]] = self._session.run(
                outputs, {self._input: batch, **self._constants[count]}
            )
            return arrays

    def _run_bound(self, batch: NDArray[Any], outputs: list[str]) -> list[NDArray[Any]]:
        """On the GPU: inputs go into memory kept per bucket, so the arena never sees a new request."""
        held = self._on_device.get(len(batch))
        if held is None:
            arrays = {self._input: batch, **self._constants[len(batch)]}
            make = onnxruntime.OrtValue.ortvalue_from_numpy
            held = {name: make(array, "cuda", 0) for name, array in arrays.items()}
            self._on_device[len(batch)] = held
        else:
            held[self._input].update_inplace(batch)
        binding = self._session.io_binding()
        for name, value in held.items():
            binding.bind_ortvalue_input(name, value)
        for name in outputs:
            binding.bind_output(name, "cuda")
        self._session.run_with_iobinding(binding)
        found: list[NDArray[Any]] = binding.copy_outputs_to_cpu()
        return found
