"""An ONNX network in memory: loaded, checked against its manifest entry, warmed, run."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from models.installed import Installed, file_sha256
from models.manifest import Code, NetworkSpec
from models.stub import StubNetwork

PROVIDERS = {"cuda": "CUDAExecutionProvider", "cpu": "CPUExecutionProvider"}

# Severities of ONNX Runtime's log.
_WARNING, _ERROR, _FATAL = 2, 3, 4


class NetworkRejected(RuntimeError):
    """The file is not the network of the manifest, or it runs where it must not; the message says which."""


class NetworkMissing(RuntimeError):
    """The network is not on this machine; the message says how to get it."""


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
    path = installed.path(spec)
    if path is None:
        raise NetworkMissing(f"{spec.name} is not installed: python -m server models pull {spec.name}")
    expected = installed.expected_sha256(spec)
    found = file_sha256(path)
    if found != expected:
        raise NetworkRejected(f"{spec.name}: {path} has sha256 {found}, pinned is {expected}")
    return Network(spec, path, providers=providers, require_gpu=require_gpu)


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
        self._session = _open_session(spec, path, providers, cores)
        self.provider: str = self._session.get_providers()[0]
        self._is_on_gpu = self.provider == PROVIDERS["cuda"]
        if not self._is_on_gpu and (require_gpu or "cpu" not in providers):
            raise NetworkRejected(f"{spec.name}: a GPU is required, but the live provider is {self.provider}")
        threads = cores if spec.threads == "cores" else spec.threads
        self.exclusive = self._is_on_gpu or threads > 1
        lanes = cores if spec.concurrency == "cores" else spec.concurrency
        self.lanes = min(2, lanes) if self.exclusive else lanes
        self.batch_buckets = (self._is_on_gpu and spec.gpu_batch_buckets) or spec.batch_buckets
        self._turn: AbstractContextManager[Any] = Lock() if self.exclusive else nullcontext()
        self._outputs = [output.name for output in self._session.get_outputs()]
        self._input = _check_tensors(spec, self._session, self.batch_buckets)
        self._on_device: dict[int, Any] = {}

    def run(self, batch: NDArray[Any]) -> NDArray[Any]:
        """The first output for a batch (N, 3, S, S) of the manifest's dtype; N must be one of the buckets."""
        return self._run(batch, self._outputs[:1])[0]

    def run_all(self, batch: NDArray[Any]) -> list[NDArray[Any]]:
        """Every output of the graph, in its order; `batch` as in `run`."""
        return self._run(batch, self._outputs)

    def warm(self) -> None:
        """Runs every bucket once and checks what comes out; raises whatever the network raises."""
        size, dtype = self._spec_input()
        for count in self.batch_buckets:
            output = self.run(np.zeros((count, 3, size, size), dtype))
            _check_output(self.spec, count, output.shape)

    def _run(self, batch: NDArray[Any], outputs: list[str]) -> list[NDArray[Any]]:
        if len(batch) not in self.batch_buckets:
            # A new shape would grow the memory arena for good.
            raise ValueError(f"{self.spec.name}: a batch of {len(batch)} is none of {self.batch_buckets}")
        with self._turn:
            if self._is_on_gpu:
                return self._run_bound(batch, outputs)
            arrays: list[NDArray[Any]] = self._session.run(outputs, {self._input: batch})
            return arrays

    def _run_bound(self, batch: NDArray[Any], outputs: list[str]) -> list[NDArray[Any]]:
        """On the GPU: the input goes into memory kept per bucket, so the arena never sees a new request."""
        on_device = self._on_device.get(len(batch))
        if on_device is None:
            on_device = onnxruntime.OrtValue.ortvalue_from_numpy(batch, "cuda", 0)
            self._on_device[len(batch)] = on_device
        else:
            on_device.update_inplace(batch)
        binding = self._session.io_binding()
        binding.bind_ortvalue_input(self._input, on_device)
        for name in outputs:
            binding.bind_output(name, "cuda")
        self._session.run_with_iobinding(binding)
        arrays: list[NDArray[Any]] = binding.copy_outputs_to_cpu()
        return arrays

    def _spec_input(self) -> tuple[int, str]:
        assert self.spec.input is not None
        return self.spec.input.size, self.spec.input.dtype


def usable_cores() -> int:
    """How many cores this process may run on."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS
        return os.cpu_count() or 1


def _open_session(
    spec: NetworkSpec, path: Path, providers: Sequence[str], cores: int
) -> onnxruntime.InferenceSession:
    """A session on the first provider that works, in silence: a missing GPU is no error here."""
    present = onnxruntime.get_available_providers()
    attempts: list[list[Any]] = [[PROVIDERS["cpu"]]]
    if "cuda" in providers and PROVIDERS["cuda"] in present and providers[0] == "cuda":
        attempts.insert(0, [(PROVIDERS["cuda"], _cuda_options(spec)), PROVIDERS["cpu"]])
    make = _session_maker(spec, path, cores)
    reason: Exception | None = None
    for attempt in attempts:
        # The failure to load the CUDA libraries goes to the default log, as an error, before any session is.
        onnxruntime.set_default_logger_severity(_FATAL if len(attempts) > 1 else _WARNING)
        try:
            return make(attempt)
        except Exception as error:  # ONNX Runtime has a class per kind of fault, none public
            reason = error
        finally:
            onnxruntime.set_default_logger_severity(_WARNING)
    raise NetworkRejected(f"{spec.name}: {path} could not be loaded: {reason}") from reason


def _session_maker(
    spec: NetworkSpec, path: Path, cores: int
) -> Callable[[list[Any]], onnxruntime.InferenceSession]:
    def make(providers: list[Any]) -> onnxruntime.InferenceSession:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = cores if spec.threads == "cores" else spec.threads
        options.inter_op_num_threads = 1
        options.enable_cpu_mem_arena = True
        options.log_severity_level = _ERROR
        options.add_session_config_entry("session.intra_op.allow_spinning", "1" if spec.spinning else "0")
        # Without `enable_fallback=0` the binding prints a banner and hides the reason.
        return onnxruntime.InferenceSession(str(path), options, providers=providers, enable_fallback=0)

    return make


def _cuda_options(spec: NetworkSpec) -> dict[str, Any]:
    options: dict[str, Any] = {"device_id": 0, "arena_extend_strategy": "kSameAsRequested"}
    if spec.gpu_memory_mb is not None:
        options["gpu_mem_limit"] = spec.gpu_memory_mb * 2**20
    return options


def _check_tensors(spec: NetworkSpec, session: onnxruntime.InferenceSession, buckets: tuple[int, ...]) -> str:
    """The name of the image input, after comparing the graph's tensors with the manifest."""
    if spec.input is None:
        raise NetworkRejected(f"{spec.name}: a network without an input table takes no pictures")
    inputs = session.get_inputs()
    if len(inputs) != 1:
        raise NetworkRejected(f"{spec.name}: the graph has {len(inputs)} inputs, one is expected")
    dtype = {"tensor(float)": "float32", "tensor(uint8)": "uint8"}.get(inputs[0].type, inputs[0].type)
    if dtype != spec.input.dtype:
        raise NetworkRejected(f"{spec.name}: the graph takes {dtype}, the manifest says {spec.input.dtype}")
    shape = inputs[0].shape
    side = spec.input.size
    wanted = (buckets[0] if len(buckets) == 1 else None, 3, side, side)
    if len(shape) != 4 or not all(_agree(*pair) for pair in zip(shape, wanted, strict=True)):
        expected = f"(N, 3, {side}, {side}) with N in {buckets}"
        raise NetworkRejected(f"{spec.name}: the graph takes {tuple(shape)}, the manifest says {expected}")
    _check_output(spec, None, tuple(session.get_outputs()[0].shape))
    return str(inputs[0].name)


def _check_output(spec: NetworkSpec, count: int | None, shape: Sequence[Any]) -> None:
    """Compares a declared or a real output shape with the manifest; `count` None: any batch."""
    wanted: tuple[int | None, ...] = {
        "embed": (count, spec.dimension),
        "classify": (count, len(spec.labels)),
        # Boxes as 4 + labels rows, one column per candidate.
        "detect": (count, 4 + len(spec.labels), None),
    }.get(spec.task, (count,))
    if len(shape) != len(wanted) or not all(
        want is None or _agree(have, want) for have, want in zip(shape, wanted, strict=True)
    ):
        expected = "(" + ", ".join("any" if want is None else str(want) for want in wanted) + ")"
        raise NetworkRejected(f"{spec.name}: the output is {tuple(shape)}, the manifest says {expected}")


def _agree(have: Any, want: int | None) -> bool:
    """Whether a dimension of the graph, a name or None where it is free, can be the wanted one."""
    if isinstance(have, int):
        return have == want
    return True
